"""The demo's result: one row for each request, and the figures that follow. Pure."""

from collections import Counter
from collections.abc import Sequence

from glomar_requester.verification.release import Proven
from msgspec import Struct

from glomar_local.demo.ledger_count import AuditedLedger
from glomar_local.traces import tree as trace_tree
from glomar_local.traces.tree import TraceSpan

OUTCOMES = ("confirm", "deny", "refused", "rejected", "unanswered")


class DemoRow(Struct, frozen=True):
    """One request and its outcome. expected: `confirm`, `deny` or `refused`."""

    klass: str
    expected: str
    outcome: str
    conditions: tuple[str, ...] = ()
    request_id: str = ""
    trace_id: str = ""

    @property
    def is_false_confirm(self) -> bool:
        return self.outcome == "confirm" != self.expected

    @property
    def is_misjudged(self) -> bool:
        """An unlawful request reached the register, or a lawful one was refused."""
        return self.outcome in OUTCOMES[:3] and (self.outcome == "refused") != (self.expected == "refused")


class DemoReport(Struct, frozen=True):
    """The whole result. refusal, confirm: one verified answer of each; None if there was none."""

    rows: Sequence[DemoRow]
    audited: AuditedLedger
    refusal: Proven | None
    confirm: Proven | None
    trace: Sequence[TraceSpan]
    seconds: float
    answering_seconds: float

    @property
    def totals(self) -> Counter[str]:
        return Counter(row.outcome for row in self.rows)

    @property
    def false_confirms(self) -> int:
        return sum(row.is_false_confirm for row in self.rows)

    @property
    def misjudged(self) -> int:
        return sum(row.is_misjudged for row in self.rows)

    @property
    def is_answered_once(self) -> bool:
        """Every request of this run has exactly one verdict, and so has every other in the ledger."""
        counted = self.audited.counted
        return counted.is_one_to_one and all(row.request_id in counted.digests for row in self.rows)

    @property
    def holds(self) -> bool:
        """True if every guarantee that a demo checks held."""
        is_right = not self.false_confirms and not self.misjudged
        return self.is_answered_once and self.audited.report is not None and is_right


def figures(report: DemoReport) -> dict[str, object]:
    """The demo as JSON. confirm + deny + refused + rejected + unanswered = requests."""
    ledger = report.audited.report
    return {
        "requests": len(report.rows),
        **{outcome: report.totals[outcome] for outcome in OUTCOMES},
        "ledger_size": ledger.size if ledger else 0,
        "ledger_verified": ledger is not None,
        "false_confirms": report.false_confirms,
        "misjudged": report.misjudged,
        "seconds": round(report.seconds, 2),
        "trace_services": len(trace_tree.services(report.trace)),
    }
