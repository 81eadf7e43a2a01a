"""What the index holds of one message, and how it is read from it. Called by whoever fills an index; pure.

Everything in clear here is in clear in the stream. What is sealed to the oversight body stays sealed until
somebody searches: a copy of the index tells nobody an outcome, and with the private key that knowledge ends.
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

Judge = Callable[[Stored], str]
"""A message -> why it does not count, "" if it does."""


class Record(Struct, frozen=True, kw_only=True):
    """One sequence. Texts are "" where the message has none."""

    sequence: int
    time_ns: int = 0
    kind: str
    """request, verdict, control, recall, ack; `other`: no subject of ours; `gap`: the stream lost it."""
    agency: str = ""
    token: str = ""
    """Request id, or slot of a control; of `other` the whole subject."""
    trace: str = ""
    """Trace id, a hint of the sender."""
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
    """Of a control, whose signatures say whether it counts, and of a verdict, which has its outcome sealed
    in it."""


class Outcome(Struct, frozen=True):
    """What a verdict says. deny: after a lookup; refused: before any, under these conditions; void: it does
    not open, for good. The tags are the holder's HMACs."""

    outcome: Literal["confirm", "deny", "refused", "void"]
    conditions: tuple[str, ...] = ()
    person: str = ""
    reason: str = ""
    case: str = ""


_UNREADABLE = Outcome("void")


class Reading:
    """Reads the messages of one stream."""

    def __init__(self, subjects: Subjects, opener: Opener) -> None:
        self._subjects = subjects
        self._opener = opener

    def read(self, stored: Stored, judge: Judge | None = None) -> Record:
        """judge: also says whether it was signed by whom it must be, and is readable, which costs more than
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
        record = Record(
            sequence=stored.sequence,
            time_ns=stored.time_ns,
            kind=kind,
            agency=agency,
            token=token,
            trace=trace[1] if trace else "",
            fault=fault,
            **fields,
        )
        if judge is None or fault or kind == OTHER:
            return record
        return replace(record, fault=self._fault(record) or judge(stored))

    def outcome(self, record: Record) -> Outcome | None:
        """What a verdict says. None: the key that opens it was destroyed."""
        try:
            verdict = self._verdict(record)
            return self.open(verdict, record.agency) if self._opener.holds(verdict.answer.key_id) else None
        except Refused:
            return _UNREADABLE

    def _fault(self, record: Record) -> str:
        """Of a verdict, once it is looked into."""
        if record.kind != "verdict":
            return ""
        try:
            self._verdict(record)
        except Refused:
            return MALFORMED
        return UNREADABLE if self.outcome(record) == _UNREADABLE else ""

    def _verdict(self, record: Record) -> Verdict:
        subject = self._subjects.verdict(record.agency, record.token)
        return open_envelope(record.body, Verdict, subject)[0]

    def open(self, verdict: Verdict, agency: str) -> Outcome:
        """What a verdict says. Raises Malformed if it does not open."""
        answer, tags = self.answer(verdict, agency), self._tags(verdict, agency)
        return Outcome(
            outcome=answer.outcome if answer.record_consulted else "refused",
            conditions=tuple(refusal.condition for refusal in answer.refusals),
            person=tags.person,
            reason=tags.reason,
            case=tags.case,
        )

    def answer(self, verdict: Verdict, agency: str) -> Answer:
        """Raises Malformed if it does not open, or is not what the verdict's digest names."""
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
    # Neither checked nor opened before somebody wants to know what it says.
    "verdict": lambda stored: {"body": stored.body},
    "recall": lambda stored: {"cause": open_envelope(stored.body, Recall, stored.subject)[0].cause},
    "ack": lambda stored: {"cause": open_envelope(stored.body, Ack, stored.subject)[0].cause},
    "control": lambda stored: {"body": stored.body},
    OTHER: lambda stored: {},
}
"""What else a record holds of a message of each kind. Raise Malformed."""
