"""Counts an index into a report. Called by the `report` command and by the console.

Requests are those of the period, and what became of them counts as of the checkpoint; holds, recalls and
what was left out are those of the whole ledger.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.bus.stream import Stored, moment
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.agreement.model import Agreement
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.subjects import Subjects
from msgspec import Struct

from glomar_auditor.index.control_history import hold_lines
from glomar_auditor.index.database import Index, Wanted
from glomar_auditor.index.record import GAP, MALFORMED, OTHER, UNREADABLE, Outcome, Reading, Record
from glomar_auditor.index.search import VOID, named, opened_of
from glomar_auditor.ledger.view import LedgerView
from glomar_auditor.reports.model import (
    LeftOut,
    Line,
    People,
    RecallLine,
    Refused,
    Repeated,
    Report,
    Rests,
)

UNATTRIBUTED = ""
"""The name in the lines of requests that are malformed or not signed by their agency."""


class Period(Struct, frozen=True):
    since: datetime | None
    until: datetime | None
    wanted: Wanted


class Source(Struct, frozen=True):
    """evidence: the index was filled for this from ledger and stream, every signature checked."""

    index: Index
    reading: Reading
    view: LedgerView
    versions: Versions
    subjects: Subjects
    evidence: bool


class _Tally:
    """Requests by what became of them, in several breakdowns at once."""

    def __init__(self) -> None:
        self.by: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self.conditions: Counter[str] = Counter()
        self.people: Counter[bytes] = Counter()
        self.violations: list[int] = []
        self.unreadable = 0
        """Beyond those that the index knows of."""

    def add(self, request: Record, outcome: str, opened: Outcome | None) -> None:
        counts = not request.fault
        for column, name in (
            ("total", ""),
            ("agency", request.agency),
            ("officer", request.officer if counts else UNATTRIBUTED),
            ("ground", request.ground if counts else UNATTRIBUTED),
            ("statute", request.statute if counts else UNATTRIBUTED),
        ):
            self.by[column][name].update(("requests", outcome))
        if opened is not None:
            self.conditions.update(opened.conditions)
            if opened.person:
                self.people[bytes.fromhex(opened.person)] += 1

    def lines(self, column: str) -> tuple[Line, ...]:
        found = self.by[column].items()
        return tuple(Line(name=name, **counts) for name, counts in sorted(found, key=_most_first))


def control_history(source: Source) -> ControlHistory:
    """The controls that the index holds."""
    history = ControlHistory(source.versions, source.subjects)
    for record in source.index.records("control"):
        subject = source.subjects.control(record.token)
        history.add(Stored(record.sequence, record.time_ns, subject, record.body))
    return history


def count(source: Source, period: Period) -> Report:
    """Raises Damaged."""
    agreement, history, tally = source.versions.newest.agreement, control_history(source), _Tally()
    for request, verdict in source.index.matters(period.wanted):
        opened = opened_of(source.reading, verdict)
        outcome = named(verdict, opened)
        tally.add(request, outcome, opened)
        if verdict and outcome != VOID and _behind_hold(history.before(verdict.sequence), request, opened):
            tally.violations.append(verdict.sequence)
        tally.unreadable += opened is not None and opened.outcome == VOID
    recalls = tuple(_recalls(source.index))
    total = tally.lines("total")
    return Report(
        agreement=agreement.id,
        title=agreement.title,
        oversight=agreement.parties[agreement.oversight].name,
        digests=tuple(digest for _, digest in history.in_force.versions),
        rests=rests(source),
        since=period.since,
        until=period.until,
        total=total[0] if total else Line(name=""),
        by_agency=tally.lines("agency"),
        by_officer=tally.lines("officer"),
        by_ground=tally.lines("ground"),
        by_statute=tally.lines("statute"),
        refused_under=tuple(_refused(tally.conditions, source.versions)),
        holds=hold_lines(history.controls),
        violations=tuple(tally.violations),
        recalls=recalls,
        outstanding=sum(each.certified_at is None for each in recalls),
        certificates=_certificates(source.index),
        people=_people(tally.people),
        left_out=_left_out(source.index, history, tally.unreadable),
    )


def rests(source: Source) -> Rests:
    checkpoint = source.view.checkpoint
    last = source.index.record(checkpoint.size)
    return Rests(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        last_entry=moment(last.time_ns) if last and last.time_ns else None,
        note=source.view.note,
        evidence=source.evidence,
    )


def _behind_hold(in_force: InForce, request: Record, opened: Outcome | None) -> bool:
    person = opened.person if opened else ""
    return in_force.hold_on(request.agency, request.jurisdiction, person) is not None


def _refused(conditions: Counter[str], versions: Versions) -> Iterator[Refused]:
    known = {each.id: each for agreement in _newest_last(versions) for each in agreement.conditions}
    for condition, requests in sorted(conditions.items(), key=lambda item: (-item[1], item[0])):
        stated = known.get(condition)
        yield Refused(
            condition=condition,
            name=stated.name if stated else "",
            citation=stated.citation if stated else "",
            requests=requests,
        )


def _newest_last(versions: Versions) -> list[Agreement]:
    found = [signed.agreement for signed in versions.by_digest.values()]
    return sorted(found, key=lambda agreement: agreement.version)


def _recalls(index: Index) -> Iterator[RecallLine]:
    for recall in index.records("recall"):
        if recall.fault:
            continue
        ack = index.about(recall.agency, recall.token, "ack")
        yield RecallLine(
            sequence=recall.sequence,
            at=moment(recall.time_ns),
            agency=recall.agency,
            request_id=recall.token,
            cause=recall.cause,
            certified_at=moment(ack.time_ns) if ack and not ack.fault else None,
        )


def _certificates(index: Index) -> dict[str, int]:
    return dict(Counter(ack.cause for ack in index.records("ack") if not ack.fault))


def _people(people: Counter[bytes]) -> People:
    repeated = sorted((-requests, tag.hex()) for tag, requests in people.items() if requests > 1)
    return People(
        asked_about=len(people),
        more_than_once=len(repeated),
        repeated=tuple(Repeated(person_tag=tag, requests=-negated) for negated, tag in repeated),
    )


def _left_out(index: Index, history: ControlHistory, unreadable: int) -> LeftOut:
    faults = Counter({UNREADABLE: unreadable})
    for kind, fault, number in index.faults():
        faults[_reason(kind, fault)] += number
    return LeftOut(
        gaps=faults[GAP],
        malformed=faults[MALFORMED],
        untrusted=faults["untrusted"],
        unreadable=faults[UNREADABLE],
        other=faults[OTHER],
        void_controls=sum(bool(order.fault) for order in history.controls),
    )


def _reason(kind: str, fault: str) -> str:
    if kind in (GAP, OTHER):
        return kind
    return fault if fault in (MALFORMED, UNREADABLE) else "untrusted"


def _most_first(item: tuple[str, Counter[str]]) -> tuple[int, str]:
    name, counts = item
    return -counts["requests"], name
