"""The report as anybody may see it: counts and hashes. Pure.

Counts that the ledger's subjects show to everybody are exact. Counts of what was sealed, or is in the body of
a message, are rounded to tens, and 1 to 9 are one class: no single request can be read out of two tables.
"""

from collections.abc import Collection, Sequence

from glomar_schemas.agreement.model import Allowed
from msgspec import Struct

from glomar_auditor.reports.affidavit import basis_section, period
from glomar_auditor.reports.document import Document, DocumentSection, DocumentTable
from glomar_auditor.reports.model import DisclosureReport, OutcomeCounts

SMALLEST = 10
_FEW = f"under {SMALLEST}"


class PublicCount(Struct, frozen=True, kw_only=True):
    name: str
    requests: str


class PublicReport(Struct, frozen=True, kw_only=True):
    """int: exact; str: rounded."""

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
    by_ground: tuple[PublicCount, ...]
    by_statute: tuple[PublicCount, ...]
    refused_under: tuple[PublicCount, ...]
    holds: int
    holds_in_force: int
    violations: int
    recalls: int
    outstanding: int
    certificates: int
    people: str
    people_more_than_once: str


def rounded(number: int) -> str:
    """To the nearest ten; 1 to 9 are one class. 0 stays 0: a court asks whether there was any."""
    if 0 < number < SMALLEST:
        return _FEW
    return str((number + SMALLEST // 2) // SMALLEST * SMALLEST)


def public_report(report: DisclosureReport, allowed: Allowed) -> PublicReport:
    """Officers, tags, request ids, scopes and authorities are left out, and so is every hash of them: a
    reader who knows the rest could find them by trying."""
    basis, total = report.basis, report.total
    return PublicReport(
        agreement=report.agreement,
        title=report.title,
        digests=report.digests,
        origin=basis.origin,
        size=basis.size,
        root=basis.root,
        checkpoint=basis.note,
        evidence=basis.evidence,
        period=period(report.since, report.until),
        requests=total.requests,
        answered=total.requests - total.unanswered,
        confirm=rounded(total.confirm),
        deny=rounded(total.deny),
        refused=rounded(total.refused),
        by_ground=_rounded(report.by_ground, allowed.grounds),
        by_statute=_rounded(report.by_statute, {each for some in allowed.statutes.values() for each in some}),
        refused_under=tuple(
            PublicCount(name=f"{each.condition} {each.name}".strip(), requests=rounded(each.requests))
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


def document(public: PublicReport, report: DisclosureReport) -> Document:
    facts = (
        ("Requests", str(public.requests)),
        ("Answered", str(public.answered)),
        ("Confirmed", public.confirm),
        ("Denied after a lookup", public.deny),
        ("Refused before any lookup", public.refused),
        ("People asked about", public.people),
        ("People asked about more than once", public.people_more_than_once),
        ("Holds placed", str(public.holds)),
        ("Holds in force", str(public.holds_in_force)),
        ("Answers stored under a hold", str(public.violations)),
        ("Answers taken back", str(public.recalls)),
        ("Of these, destruction not certified", str(public.outstanding)),
        ("Destructions certified", str(public.certificates)),
    )
    note = f"Counts that only oversight can make are rounded to tens; 1 to {SMALLEST - 1} are “{_FEW}”."
    tables = (
        DocumentTable("Counts", ("", "Number"), facts, frozenset({1}), note=note),
        _table("By ground", public.by_ground),
        _table("By statute", public.by_statute),
        _table("Refused, by condition", public.refused_under),
    )
    command = "glomar-auditor report --public --config auditor.toml"
    return Document(
        title="Public account of requests and disclosures",
        subtitle=f"{public.title} ({public.agreement})",
        opening=f"Published by {report.oversight}. Requests {public.period}.",
        sections=(
            DocumentSection("Counts", tables=tables, numbered=False),
            basis_section(report.basis, public.digests, command),
        ),
    )


def _rounded(lines: Sequence[OutcomeCounts], known: Collection[str]) -> tuple[PublicCount, ...]:
    """A request may have any text here; only words of the agreement are published."""
    shown = [
        PublicCount(name=each.name, requests=rounded(each.requests)) for each in lines if each.name in known
    ]
    other = sum(each.requests for each in lines if each.name not in known)
    return (*shown, PublicCount(name="none of the agreement", requests=rounded(other)))


def _table(title: str, lines: Sequence[PublicCount]) -> DocumentTable:
    rows = tuple((each.name, each.requests) for each in lines)
    return DocumentTable(title, ("", "Requests"), rows, frozenset({1}))
