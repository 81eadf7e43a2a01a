"""What the index holds of one message, and how it is read from it. Called by whoever fills an index; pure.

Everything in clear here is in clear in the stream. What is sealed to the oversight body stays sealed.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any

from glomar_runtime.delivery import Stored
from glomar_schemas.decoding import decode
from glomar_schemas.envelope import open_envelope
from glomar_schemas.errors import Malformed, Refused
from glomar_schemas.messages import Ack, Answer, Recall, Request, Tags, Verdict
from glomar_schemas.sealing import Context, Opener
from glomar_schemas.subjects import Address, Subjects
from msgspec import Struct
from msgspec.structs import replace

from glomar_auditor.index.cells import Cells, Outcome

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
    digest: bytes = b""
    """SHA-256 of the body, as in the ledger."""
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
    key_id: str = ""
    cell: bytes = b""
    """Of a verdict: the sealed Outcome, and the key that it was opened with. Empty: it does not open."""
    body: bytes = b""
    """Of a control, whose signatures say whether it counts."""


class Reading:
    """Reads the messages of one stream."""

    def __init__(self, subjects: Subjects, opener: Opener, cells: Cells) -> None:
        self._subjects = subjects
        self._opener = opener
        self._cells = cells

    def read(self, stored: Stored, judge: Judge | None = None) -> Record:
        """judge: also says whether it was signed by whom it must be, which costs as much as the rest."""
        digest = hashlib.sha256(stored.body).digest()
        trace = _TRACE.match(stored.traceparent)
        try:
            address = self._subjects.parse(stored.subject)
            kind, agency, token = address.kind, address.agency, address.token
        except Malformed:
            address, kind, agency, token = None, OTHER, "", stored.subject
        fields, fault = self._fields(stored, address)
        if judge is not None and address is not None and not fault:
            fault = judge(stored)
        record = Record(
            sequence=stored.sequence,
            time_ns=stored.time_ns,
            kind=kind,
            agency=agency,
            token=token,
            digest=digest,
            trace=trace[1] if trace else "",
            fault=fault,
        )
        return replace(record, **fields)

    def outcome(self, verdict: Record) -> Outcome | None:
        """None: it can't be opened, for good. Raises IntegrityError if the index was changed."""
        return self._cells.open(verdict.key_id, verdict.sequence, verdict.cell)

    def _fields(self, stored: Stored, address: Address | None) -> tuple[dict[str, Any], str]:
        """The fields of a message's kind, and its fault."""
        try:
            match address.kind if address else OTHER:
                case "request":
                    return _request(open_envelope(stored.body, Request, stored.subject)[0]), ""
                case "verdict":
                    verdict, _ = open_envelope(stored.body, Verdict, stored.subject)
                    return self._verdict(verdict, stored, address.agency if address else "")
                case "recall":
                    return {"cause": open_envelope(stored.body, Recall, stored.subject)[0].cause}, ""
                case "ack":
                    return {"cause": open_envelope(stored.body, Ack, stored.subject)[0].cause}, ""
                case "control":
                    return {"body": stored.body}, ""
                case _:
                    return {}, ""
        except Refused:
            return {}, MALFORMED

    def _verdict(self, verdict: Verdict, stored: Stored, agency: str) -> tuple[dict[str, Any], str]:
        key_id = verdict.answer.key_id
        if not self._cells.held(key_id):
            return {"key_id": key_id}, ""
        try:
            outcome = self.open(verdict, agency)
        except Refused:
            return {"key_id": key_id}, UNREADABLE
        return {"key_id": key_id, "cell": self._cells.seal(key_id, stored.sequence, outcome)}, ""

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


def _request(request: Request) -> dict[str, Any]:
    return {
        "officer": request.officer.id,
        "unit": request.officer.unit,
        "authorised_by": request.authorised_by,
        "jurisdiction": request.jurisdiction,
        "ground": request.ground,
        "statute": request.statute,
        "intended_use": request.intended_use,
    }
