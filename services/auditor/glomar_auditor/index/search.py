"""Finds requests by time, agency, officer, condition, outcome and trace."""

from collections.abc import Iterator
from datetime import datetime

from glomar_runtime.bus.stream import moment
from msgspec import Struct

from glomar_auditor.index.database import Index, RequestFilter
from glomar_auditor.index.record import OUTCOMES, IndexRecord, MessageReader, VerdictOutcome

UNANSWERED, VOID, UNKNOWN = "unanswered", "void", "unknown"
EVERY_OUTCOME = (*OUTCOMES, UNANSWERED, VOID, UNKNOWN)


class RequestSummary(Struct, frozen=True):
    """One request and its outcome."""

    sequence: int
    at: datetime
    request_id: str
    agency: str
    officer: str
    unit: str
    jurisdiction: str
    ground: str
    statute: str
    intended_use: str
    outcome: str
    """confirm, deny (after a lookup), refused (before any), unanswered, void (the message under the verdict's
    subject does not count), unknown (the key that opens it was destroyed)."""
    conditions: tuple[str, ...]
    trace_id: str
    verdict_sequence: int | None
    decided_at: datetime | None
    fault: str
    """Why the request does not count: malformed, or not signed by the agency."""


def search(
    index: Index, reader: MessageReader, wanted: RequestFilter, *, condition: str = "", outcome: str = ""
) -> Iterator[RequestSummary]:
    """The requests of the filter, in the order of the ledger. Raises Damaged."""
    for request, verdict in index.requests(wanted):
        summary = summarise(request, verdict, open_outcome(reader, verdict))
        if outcome in ("", summary.outcome) and (not condition or condition in summary.conditions):
            yield summary


def summarise(
    request: IndexRecord, verdict: IndexRecord | None, opened: VerdictOutcome | None
) -> RequestSummary:
    return RequestSummary(
        sequence=request.sequence,
        at=moment(request.time_ns),
        request_id=request.token,
        agency=request.agency,
        officer=request.officer,
        unit=request.unit,
        jurisdiction=request.jurisdiction,
        ground=request.ground,
        statute=request.statute,
        intended_use=request.intended_use,
        outcome=outcome_name(verdict, opened),
        conditions=opened.conditions if opened else (),
        trace_id=request.trace,
        verdict_sequence=verdict.sequence if verdict else None,
        decided_at=moment(verdict.time_ns) if verdict else None,
        fault=request.fault,
    )


def open_outcome(reader: MessageReader, verdict: IndexRecord | None) -> VerdictOutcome | None:
    """What the verdict says; None if there is none, it does not count, or its key was destroyed."""
    return reader.outcome(verdict) if verdict and not verdict.fault else None


def outcome_name(verdict: IndexRecord | None, opened: VerdictOutcome | None) -> str:
    """One of EVERY_OUTCOME."""
    if verdict is None:
        return UNANSWERED
    if verdict.fault:
        return VOID
    return opened.outcome if opened else UNKNOWN
