"""The report as anybody may see it: counts and hashes. Pure; called by `report --public`.

What the ledger's subjects show to everybody is exact. What was sealed, or stands in the body of a message, is
rounded to tens, and one to nine are not told apart: no single request can be read out of two tables.
"""

from collections.abc import Collection, Sequence

from glomar_schemas.agreement.model import Allowed
from msgspec import Struct

from glomar_auditor.reports.affidavit import basis, period
from glomar_auditor.reports.document import Document, Section, Table
from glomar_auditor.reports.model import Line, Report

SMALLEST = 10
_FEW = f"under {SMALLEST}"


class PublicLine(Struct, frozen=True, kw_only=True):
    name: str
    requests: str


class Public(Struct, frozen=True, kw_only=True):
    """Exact: requests, answered, holds, recalls, outstanding, certificates. Texts: rounded."""

    version: int = 1
    agreement: str
    title: str
    digests: tuple[str, ...]
    origin: str
    size: int
    root: str
    checkpoint: str
    evidence: bool
    period: str
    requests: int
    answered: int
    confirm: str
    deny: str
    refused: str
    by_ground: tuple[PublicLine, ...]
    by_statute: tuple[PublicLine, ...]
    refused_under: tuple[PublicLine, ...]
    holds: int
    holds_in_force: int
    violations: int
    recalls: int
    outstanding: int
    certificates: int
    people: str
    people_more_than_once: str


def rounded(number: int) -> str:
    """To the nearest ten; 1 to 9 are one class. None is none: that is what an affidavit is asked for."""
    if 0 < number < SMALLEST:
        return _FEW
    return str((number + SMALLEST // 2) // SMALLEST * SMALLEST)


def public(report: Report, allowed: Allowed) -> Public:
    """Officers, tags, request ids, scopes and authorities are left out, and so is any hash of what is left
    out: whoever knows the rest could try out what it hides."""
    rests, total = report.rests, report.total
    return Public(
        agreement=report.agreement,
        title=report.title,
        digests=report.digests,
        origin=rests.origin,
        size=rests.size,
        root=rests.root,
        checkpoint=rests.note,
        evidence=rests.evidence,
        period=period(report.since, report.until),
        requests=total.requests,
        answered=total.requests - total.unanswered,
        confirm=rounded(total.confirm),
        deny=rounded(total.deny),
        refused=rounded(total.refused),
        by_ground=_rounded(report.by_ground, allowed.grounds),
        by_statute=_rounded(report.by_statute, {each for some in allowed.statutes.values() for each in some}),
        refused_under=tuple(
            PublicLine(name=f"{each.condition} {each.name}".strip(), requests=rounded(each.requests))
            for each in report.refused_under
        ),
        holds=len(report.holds),
        holds_in_force=sum(hold.lifted_slot is None for hold in report.holds),
        violations=len(report.violations),
        recalls=len(report.recalls),
        outstanding=report.outstanding,
        certificates=sum(report.certificates.values()),
        people=rounded(report.people.asked_about),
        people_more_than_once=rounded(report.people.more_than_once),
    )


def page(found: Public, report: Report) -> Document:
    facts = (
        ("Requests", str(found.requests)),
        ("Answered", str(found.answered)),
        ("Confirmed", found.confirm),
        ("Denied after a lookup", found.deny),
        ("Refused before any lookup", found.refused),
        ("People asked about", found.people),
        ("People asked about more than once", found.people_more_than_once),
        ("Holds placed", str(found.holds)),
        ("Holds in force", str(found.holds_in_force)),
        ("Answers behind a hold", str(found.violations)),
        ("Answers taken back", str(found.recalls)),
        ("Of these, destruction not certified", str(found.outstanding)),
        ("Destructions certified", str(found.certificates)),
    )
    note = f"What only oversight can read is rounded to tens; 1 to {SMALLEST - 1} are shown as “{_FEW}”."
    tables = (
        Table("Counts", ("", "Number"), facts, frozenset({1}), note=note),
        _table("By ground", found.by_ground),
        _table("By statute", found.by_statute),
        _table("Refused, by condition", found.refused_under),
    )
    again = "glomar-auditor report --public --config auditor.toml"
    return Document(
        title="Public account of requests and disclosures",
        subtitle=f"{found.title} ({found.agreement})",
        opening=f"Published by {report.oversight}. Requests {found.period}.",
        sections=(
            Section("Counts", tables=tables, numbered=False),
            basis(report.rests, found.digests, again),
        ),
    )


def _rounded(lines: Sequence[Line], known: Collection[str]) -> tuple[PublicLine, ...]:
    """Whoever asked could have written anything at all; only the agreement's own words are published."""
    shown = [
        PublicLine(name=each.name, requests=rounded(each.requests)) for each in lines if each.name in known
    ]
    other = sum(each.requests for each in lines if each.name not in known)
    return (*shown, PublicLine(name="none of the agreement", requests=rounded(other)))


def _table(title: str, lines: Sequence[PublicLine]) -> Table:
    rows = tuple((each.name, each.requests) for each in lines)
    return Table(title, ("", "Requests"), rows, frozenset({1}))
