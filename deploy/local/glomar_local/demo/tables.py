"""The tables that the demo prints. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from glomar_requester.verification.release import VerifiedRelease
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glomar_local.demo.report import OUTCOMES, DemoReport, DemoRow
from glomar_local.traces import tree as trace_tree
from glomar_local.traces.tree import TraceSpan

KLASSES = {
    "true": "on file at this address",
    "accents-dropped": "on file; accents dropped",
    "street-spelt-out": "on file; street spelt out",
    "second-surname-dropped": "on file; second surname dropped",
    "surnames-swapped": "on file; surnames swapped",
    "street-mistyped": "on file; street mistyped",
    "mover-old-year": "moved; old address, old year",
    "mover-wrong-year": "moved; old address, new year",
    "wrong-year": "the year before moving in",
    "day-90": "day 90 after the order",
    "day-89": "day 89 after the order",
    "wrong-address": "wrong house number",
    "absent-person": "not on file",
    "look-alike-name": "a name like it, not on file",
    "crowded-no-birth-date": "in a shelter, no birth date",
    "ambiguous-sr-jr": "father or son, can't tell",
    "placeholder-address": "“Don't Care 12345” as address",
    "missing-name": "no name",
    "civil-statute": "civil statute",
    "voter-rolls": "for voter rolls",
    "unnotified-ai": "AI analysis, not notified",
    "expired": "expired",
    "forged-signature": "forged signature",
    "malformed-bytes": "bytes that are no message",
}


def render(report: DemoReport) -> RenderableType:
    """All tables: outcomes, one refusal, one confirmation, one trace, the checks."""
    parts: list[RenderableType] = [by_class(report.rows)]
    if report.refusal:
        parts += ["", refusal(report.refusal)]
    if report.confirm:
        parts += ["", confirmation(report.confirm)]
    if report.trace:
        parts += ["", trace(report.trace)]
    return Group(*parts, "", checks(report))


def by_class(rows: Iterable[DemoRow]) -> Table:
    """One line for each kind of request: how many, the answers, and the conditions that failed."""
    grouped: dict[str, list[DemoRow]] = {}
    for row in rows:
        grouped.setdefault(row.klass, []).append(row)
    table = Table(title="What was asked and what was answered", title_justify="left", title_style="bold")
    table.add_column("request")
    table.add_column("asked", justify="right")
    for outcome in OUTCOMES[:3]:
        table.add_column(outcome, justify="right")
    table.add_column("not answered", justify="right")
    table.add_column("conditions that failed")
    table.add_column("correct", justify="center")
    order = {klass: place for place, klass in enumerate(KLASSES)}
    for klass, members in sorted(grouped.items(), key=lambda item: order.get(item[0], len(order))):
        table.add_row(*_class_row(klass, members))
    return table


def _class_row(klass: str, members: Sequence[DemoRow]) -> list[RenderableType]:
    totals = Counter(row.outcome for row in members)
    answered = [str(totals[outcome] or "") for outcome in OUTCOMES[:3]]
    conditions = sorted({condition for row in members for condition in row.conditions})
    right = sum(row.outcome == row.expected for row in members)
    verdict = Text("✓", "green") if right == len(members) else Text(f"{right} of {len(members)}", "yellow")
    if any(row.is_false_confirm for row in members):
        verdict = Text("FALSE CONFIRM", "bold red")
    unanswered = str(totals["rejected"] + totals["unanswered"] or "")
    name, why = KLASSES.get(klass, klass), ", ".join(conditions)
    return [name, str(len(members)), *answered, unanswered, why, verdict]


def refusal(proven: VerifiedRelease) -> Table:
    """One refusal with every failed condition, its message and its citation."""
    table = _facts("One refusal in full")
    table.add_row("request", proven.result.request_id)
    table.add_row("answer", "deny, before any record was read")
    for failed in proven.result.refusals:
        table.add_row(failed.condition, Text.assemble(failed.message, "\n", (failed.citation, "italic")))
    _add_receipt(table, proven)
    return table


def confirmation(proven: VerifiedRelease) -> Table:
    """One confirmation with the receipt that proves that the ledger held it before its release."""
    table = _facts("One confirm with its receipt")
    table.add_row("request", proven.result.request_id)
    table.add_row("answer", "confirm; the holder's signature is valid")
    _add_receipt(table, proven)
    return table


def _facts(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)


def _add_receipt(table: Table, proven: VerifiedRelease) -> None:
    checkpoint = proven.checkpoint
    table.add_row(
        "receipt",
        f"checked: leaf {proven.leaf.sequence - 1} of {checkpoint.size} in {checkpoint.origin},\n"
        f"root {checkpoint.root.hex()}",
    )


def trace(spans: Sequence[TraceSpan]) -> Table:
    """One request's trace through all services, as a tree with a time bar."""
    found = trace_tree.lines(spans)
    total_ms = trace_tree.total_ms(found)
    title = f"One request, one trace: {spans[0].trace_id}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1))
    for name in ("service", "step"):
        table.add_column(name)
    table.add_column("ms", justify="right")
    table.add_column("when", no_wrap=True)
    for line in found:
        step = f"{line.branch}{line.name}"
        when = trace_tree.bar(line, total_ms)
        table.add_row(line.service, Text(step), f"{line.duration_ms:.1f}", Text(when, "cyan"))
    return table


def checks(report: DemoReport) -> Table:
    """The guarantees that this run tested, and its figures."""
    table = _facts("What was checked")
    audited, totals = report.audited, report.totals
    table.add_row(_mark(report.is_answered_once), "every request has exactly one verdict in the ledger")
    if audited.report:
        ledger = f"the ledger verifies: {audited.report.size} leaves, root {audited.report.root.hex()[:16]}…"
    else:
        ledger = f"the ledger does not verify: {audited.fault}"
    table.add_row(_mark(audited.report is not None), ledger)
    table.add_row(_mark(not report.false_confirms), f"{report.false_confirms} false confirms")
    judged = f"{report.misjudged} unlawful requests looked up or lawful ones refused"
    table.add_row(_mark(not report.misjudged), judged)
    sums = ", ".join(f"{totals[outcome]} {outcome}" for outcome in OUTCOMES)
    table.add_row("", f"{len(report.rows)} requests: {sums}")
    rate = len(report.rows) / report.answering_seconds if report.answering_seconds else 0.0
    times = (
        f"answered in {report.answering_seconds:.1f} s, {rate:.0f} a second; {report.seconds:.1f} s in all"
    )
    table.add_row("", times)
    return table


def _mark(holds: bool) -> Text:
    return Text("✓", "green") if holds else Text("✗", "bold red")
