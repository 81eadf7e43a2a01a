"""The index's record of one message, and how it is read from the message. Pure.

What is in clear here is in clear in the stream. What is sealed to the oversight body stays sealed until a
search opens it: a copy of the index shows no outcome, and without the private key no outcome can be read.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Literal

from glomar_runtime.bus.stream import Stored
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.crypto.sealing import Context, Opener
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Refused
from glomar_schemas.messages import Ack, Answer, Recall, Request, Tags, Verdict
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from msgspec.structs import replace

OUTCOMES = ("confirm", "deny", "refused")
GAP, OTHER = "gap", "other"
MALFORMED, UNREADABLE = "malformed", "unreadable"

_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")

Check = Callable[[Stored], str]
"""A message -> why it does not count; "" if it does."""


class IndexRecord(Struct, frozen=True, kw_only=True):
    """One sequence. Texts are "" where the message has none."""

    sequence: int
    time_ns: int = 0
    kind: str
    """request, verdict, control, recall, ack; `other`: an unknown subject; `gap`: the stream lost it."""
    agency: str = ""
    token: str = ""
    """Request id, or slot of a control; of `other` the whole subject."""
    trace: str = ""
    """Trace id, as the sender gave it; not checked."""
    fault: str = ""
    """Why the message does not count."""
    officer: str = ""
    unit: str = ""
    authorised_by: str = ""
    jurisdiction: str = ""
    ground: str = ""
    statute: str = ""
    intended_use: str = ""
    cause: str = ""
    """Of a recall or an ack."""
    body: bytes = b""
    """Of a control, whose signatures decide whether it counts, and of a verdict, which contains its sealed
    outcome."""


class VerdictOutcome(Struct, frozen=True):
    """What a verdict says. deny: after a lookup; refused: before any lookup, under these conditions; void: it
    can never be opened. person, reason, case: the holder's HMAC tags."""

    outcome: Literal["confirm", "deny", "refused", "void"]
    conditions: tuple[str, ...] = ()
    person: str = ""
    reason: str = ""
    case: str = ""


_UNREADABLE = VerdictOutcome("void")


class MessageReader:
    """Reads the messages of one stream."""

    def __init__(self, subjects: Subjects, opener: Opener) -> None:
        self._subjects = subjects
        self._opener = opener

    def read(self, stored: Stored, check: Check | None = None) -> IndexRecord:
        """check: also decides whether its signature counts and whether it can be read, which costs more than
        the rest."""
        trace = _TRACE.match(stored.traceparent)
        try:
            address = self._subjects.parse(stored.subject)
            kind, agency, token = address.kind, address.agency, address.token
        except Malformed:
            kind, agency, token = OTHER, "", stored.subject
        try:
            fields, fault = _FIELDS[kind](stored), ""
        except Refused:
            fields, fault = {}, MALFORMED
        record = IndexRecord(
            sequence=stored.sequence,
            time_ns=stored.time_ns,
            kind=kind,
            agency=agency,
            token=token,
            trace=trace[1] if trace else "",
            fault=fault,
            **fields,
        )
        if check is None or fault or kind == OTHER:
            return record
        return replace(record, fault=self._fault(record) or check(stored))

    def outcome(self, record: IndexRecord) -> VerdictOutcome | None:
        """What a verdict says; None if the key that opens it was destroyed."""
        try:
            verdict = self._verdict(record)
            if not self._opener.has_key(verdict.answer.key_id):
                return None
            return self.open_verdict(verdict, record.agency)
        except Refused:
            return _UNREADABLE

    def _fault(self, record: IndexRecord) -> str:
        """Why a verdict does not count, apart from its signature."""
        if record.kind != "verdict":
            return ""
        try:
            self._verdict(record)
        except Refused:
            return MALFORMED
        return UNREADABLE if self.outcome(record) == _UNREADABLE else ""

    def _verdict(self, record: IndexRecord) -> Verdict:
        subject = self._subjects.verdict(record.agency, record.token)
        return open_envelope(record.body, Verdict, subject)[0]

    def open_verdict(self, verdict: Verdict, agency: str) -> VerdictOutcome:
        """What a verdict says. Raises Malformed if it does not open."""
        answer, tags = self.answer(verdict, agency), self._tags(verdict, agency)
        return VerdictOutcome(
            outcome=answer.outcome if answer.record_consulted else "refused",
            conditions=tuple(refusal.condition for refusal in answer.refusals),
            person=tags.person,
            reason=tags.reason,
            case=tags.case,
        )

    def answer(self, verdict: Verdict, agency: str) -> Answer:
        """Raises Malformed if it does not open, or if its digest is not the one in the verdict."""
        context = Context("verdict", self._subjects.agreement, agency)
        plaintext = self._opener.open(verdict.answer, context, "answer", verdict.request_id)
        if hashlib.sha256(plaintext).hexdigest() != verdict.answer_digest:
            raise Malformed("not the answer that the verdict names", where="answer")
        return decode(plaintext, Answer, what="answer")

    def _tags(self, verdict: Verdict, agency: str) -> Tags:
        context = Context("verdict", self._subjects.agreement, agency)
        return decode(self._opener.open(verdict.tags, context, "tags", verdict.request_id), Tags, what="tags")


def _request(stored: Stored) -> dict[str, Any]:
    request, _ = open_envelope(stored.body, Request, stored.subject)
    return {
        "officer": request.officer.id,
        "unit": request.officer.unit,
        "authorised_by": request.authorised_by,
        "jurisdiction": request.jurisdiction,
        "ground": request.ground,
        "statute": request.statute,
        "intended_use": request.intended_use,
    }


_FIELDS: dict[str, Callable[[Stored], dict[str, Any]]] = {
    "request": _request,
    # Checked and opened only when its outcome is asked for.
    "verdict": lambda stored: {"body": stored.body},
    "recall": lambda stored: {"cause": open_envelope(stored.body, Recall, stored.subject)[0].cause},
    "ack": lambda stored: {"cause": open_envelope(stored.body, Ack, stored.subject)[0].cause},
    "control": lambda stored: {"body": stored.body},
    OTHER: lambda stored: {},
}
"""The further fields of a record, for each kind of message. Raise Malformed."""
