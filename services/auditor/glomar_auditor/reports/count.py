"""Counts an index into a report.

Requests are those of the period, and their outcomes are as of the checkpoint. Holds, recalls and messages
that do not count are those of the whole ledger.
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

from glomar_auditor.index.database import Index, RequestFilter
from glomar_auditor.index.hold_history import hold_summaries
from glomar_auditor.index.record import (
    GAP,
    MALFORMED,
    OTHER,
    UNREADABLE,
    IndexRecord,
    MessageReader,
    VerdictOutcome,
)
from glomar_auditor.index.search import VOID, open_outcome, outcome_name
from glomar_auditor.ledger.view import LedgerView
from glomar_auditor.reports.model import (
    Basis,
    ConditionCount,
    DisclosureReport,
    OutcomeCounts,
    PeopleCounts,
    RecallSummary,
    RepeatedPerson,
    UncountedMessages,
)

UNATTRIBUTED = ""
"""The name of the line of requests that are malformed or not signed by their agency."""


class Period(Struct, frozen=True):
    since: datetime | None
    until: datetime | None
    wanted: RequestFilter


class ReportSource(Struct, frozen=True):
    """evidence: the index was filled from ledger and stream for this report, every signature checked."""

    index: Index
    reader: MessageReader
    view: LedgerView
    versions: Versions
    subjects: Subjects
    evidence: bool


class _Counters:
    """Requests by outcome, for each breakdown of the report."""

    def __init__(self) -> None:
        self.by: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self.conditions: Counter[str] = Counter()
        self.people: Counter[bytes] = Counter()
        self.violations: list[int] = []
        self.unreadable = 0
        """Those that the index has no fault of."""

    def add(self, request: IndexRecord, outcome: str, opened: VerdictOutcome | None) -> None:
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

    def lines(self, column: str) -> tuple[OutcomeCounts, ...]:
        found = self.by[column].items()
        return tuple(OutcomeCounts(name=name, **counts) for name, counts in sorted(found, key=_most_first))


def control_history(source: ReportSource) -> ControlHistory:
    """The controls that the index holds."""
    history = ControlHistory(source.versions, source.subjects)
    for record in source.index.records("control"):
        subject = source.subjects.control(record.token)
        history.add(Stored(record.sequence, record.time_ns, subject, record.body))
    return history


def count(source: ReportSource, period: Period) -> DisclosureReport:
    """Raises Damaged."""
    agreement, history, counters = source.versions.newest.agreement, control_history(source), _Counters()
    for request, verdict in source.index.requests(period.wanted):
        opened = open_outcome(source.reader, verdict)
        outcome = outcome_name(verdict, opened)
        counters.add(request, outcome, opened)
        if verdict and outcome != VOID and _held(history.before(verdict.sequence), request, opened):
            counters.violations.append(verdict.sequence)
        counters.unreadable += opened is not None and opened.outcome == VOID
    recalls = tuple(_recalls(source.index))
    total = counters.lines("total")
    return DisclosureReport(
        agreement=agreement.id,
        title=agreement.title,
        oversight=agreement.parties[agreement.oversight].name,
        digests=tuple(digest for _, digest in history.in_force.versions),
        basis=basis_of(source),
        since=period.since,
        until=period.until,
        total=total[0] if total else OutcomeCounts(name=""),
        by_agency=counters.lines("agency"),
        by_officer=counters.lines("officer"),
        by_ground=counters.lines("ground"),
        by_statute=counters.lines("statute"),
        refused_under=tuple(_refused(counters.conditions, source.versions)),
        holds=hold_summaries(history.controls),
        violations=tuple(counters.violations),
        recalls=recalls,
        outstanding=sum(each.certified_at is None for each in recalls),
        certificates=_certificates(source.index),
        people=_people(counters.people),
        left_out=_left_out(source.index, history, counters.unreadable),
    )


def basis_of(source: ReportSource) -> Basis:
    checkpoint = source.view.checkpoint
    last = source.index.record(checkpoint.size)
    return Basis(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        last_entry=moment(last.time_ns) if last and last.time_ns else None,
        note=source.view.note,
        evidence=source.evidence,
    )


def _held(in_force: InForce, request: IndexRecord, opened: VerdictOutcome | None) -> bool:
    person = opened.person if opened else ""
    return in_force.hold_on(request.agency, request.jurisdiction, person) is not None


def _refused(conditions: Counter[str], versions: Versions) -> Iterator[ConditionCount]:
    known = {each.id: each for agreement in _newest_last(versions) for each in agreement.conditions}
    for condition, requests in sorted(conditions.items(), key=lambda item: (-item[1], item[0])):
        stated = known.get(condition)
        yield ConditionCount(
            condition=condition,
            name=stated.name if stated else "",
            citation=stated.citation if stated else "",
            requests=requests,
        )


def _newest_last(versions: Versions) -> list[Agreement]:
    found = [signed.agreement for signed in versions.by_digest.values()]
    return sorted(found, key=lambda agreement: agreement.version)


def _recalls(index: Index) -> Iterator[RecallSummary]:
    for recall in index.records("recall"):
        if recall.fault:
            continue
        ack = index.message_about(recall.agency, recall.token, "ack")
        yield RecallSummary(
            sequence=recall.sequence,
            at=moment(recall.time_ns),
            agency=recall.agency,
            request_id=recall.token,
            cause=recall.cause,
            certified_at=moment(ack.time_ns) if ack and not ack.fault else None,
        )


def _certificates(index: Index) -> dict[str, int]:
    return dict(Counter(ack.cause for ack in index.records("ack") if not ack.fault))


def _people(people: Counter[bytes]) -> PeopleCounts:
    repeated = sorted((-requests, tag.hex()) for tag, requests in people.items() if requests > 1)
    return PeopleCounts(
        asked_about=len(people),
        more_than_once=len(repeated),
        repeated=tuple(RepeatedPerson(person_tag=tag, requests=-negated) for negated, tag in repeated),
    )


def _left_out(index: Index, history: ControlHistory, unreadable: int) -> UncountedMessages:
    faults = Counter({UNREADABLE: unreadable})
    for kind, fault, number in index.faults():
        faults[_reason(kind, fault)] += number
    return UncountedMessages(
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
