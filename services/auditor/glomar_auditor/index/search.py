"""Requests by time, agency, officer, condition, outcome, trace. Called by `search` and by the console."""

from collections.abc import Iterator
from datetime import datetime

from glomar_runtime.bus.stream import moment
from msgspec import Struct

from glomar_auditor.index.database import Index, Wanted
from glomar_auditor.index.record import OUTCOMES, Outcome, Reading, Record

UNANSWERED, VOID, UNKNOWN = "unanswered", "void", "unknown"
EVERY_OUTCOME = (*OUTCOMES, UNANSWERED, VOID, UNKNOWN)


class Matter(Struct, frozen=True):
    """One request and what became of it."""

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
    """confirm, deny (after a lookup), refused (before any), unanswered, void (the message in the verdict's
    slot does not count), unknown (the key that opens it was destroyed)."""
    conditions: tuple[str, ...]
    trace_id: str
    verdict_sequence: int | None
    decided_at: datetime | None
    fault: str
    """Why the request does not count: malformed, or not signed by the agency."""


def search(
    index: Index, reading: Reading, wanted: Wanted, *, condition: str = "", outcome: str = ""
) -> Iterator[Matter]:
    """In the order of the ledger. Raises Damaged."""
    for request, verdict in index.matters(wanted):
        opened = opened_of(reading, verdict)
        matter = matter_of(request, verdict, opened)
        if outcome in ("", matter.outcome) and (not condition or condition in matter.conditions):
            yield matter


def matter_of(request: Record, verdict: Record | None, opened: Outcome | None) -> Matter:
    return Matter(
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
        outcome=named(verdict, opened),
        conditions=opened.conditions if opened else (),
        trace_id=request.trace,
        verdict_sequence=verdict.sequence if verdict else None,
        decided_at=moment(verdict.time_ns) if verdict else None,
        fault=request.fault,
    )


def opened_of(reading: Reading, verdict: Record | None) -> Outcome | None:
    """What the message in a verdict's slot says; None if there is none, it does not count, or its key was
    destroyed."""
    return reading.outcome(verdict) if verdict and not verdict.fault else None


def named(verdict: Record | None, opened: Outcome | None) -> str:
    """One of EVERY_OUTCOME."""
    if verdict is None:
        return UNANSWERED
    if verdict.fault:
        return VOID
    return opened.outcome if opened else UNKNOWN
