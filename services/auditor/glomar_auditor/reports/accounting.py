"""Every disclosure about one person (5 U.S.C. 552a(c), 26 U.S.C. 6103(p)(3)).

A disclosure is an answer after a lookup: a confirmation or a denial. Refused requests are listed apart: no
record was looked at.
"""

from datetime import datetime

from glomar_runtime.bus.stream import moment
from msgspec import Struct, field

from glomar_auditor.index.database import RequestFilter
from glomar_auditor.index.record import IndexRecord
from glomar_auditor.index.search import RequestSummary, open_outcome, summarise
from glomar_auditor.reports.affidavit import basis_section, when
from glomar_auditor.reports.count import ReportSource, basis_of
from glomar_auditor.reports.document import Document, DocumentSection, DocumentTable
from glomar_auditor.reports.model import Basis


class Disclosure(Struct, frozen=True, kw_only=True):
    """One request about the person. recalled_at, destroyed_at: stream times of recall and certificate."""

    request: RequestSummary = field(name="matter")
    to: str
    """Name of the agency."""
    recalled_at: datetime | None
    destroyed_at: datetime | None


class Accounting(Struct, frozen=True, kw_only=True):
    version: int = 1
    agreement: str
    title: str
    oversight: str
    person_tag: str
    disclosures: tuple[Disclosure, ...]
    refused: tuple[Disclosure, ...]
    sealed: int
    """Answers whose key was destroyed: nobody can read any more whom they are about."""
    basis: Basis = field(name="rests")


def account(source: ReportSource, person_tag: str) -> Accounting:
    """Raises Damaged."""
    agreement = source.versions.newest.agreement
    about: list[Disclosure] = []
    sealed = 0
    for request, verdict in source.index.requests(RequestFilter()):
        opened = open_outcome(source.reader, verdict)
        sealed += verdict is not None and not verdict.fault and opened is None
        if opened is None or opened.person != person_tag:
            continue
        party = agreement.parties.get(request.agency)
        recall = source.index.message_about(request.agency, request.token, "recall")
        ack = source.index.message_about(request.agency, request.token, "ack")
        about.append(
            Disclosure(
                request=summarise(request, verdict, opened),
                to=party.name if party else request.agency,
                recalled_at=_at(recall),
                destroyed_at=_at(ack),
            )
        )
    return Accounting(
        agreement=agreement.id,
        title=agreement.title,
        oversight=agreement.parties[agreement.oversight].name,
        person_tag=person_tag,
        disclosures=tuple(each for each in about if each.request.outcome in ("confirm", "deny")),
        refused=tuple(each for each in about if each.request.outcome == "refused"),
        sealed=sealed,
        basis=basis_of(source),
    )


def document(accounting: Accounting, digests: tuple[str, ...]) -> Document:
    """For the person who asks."""
    columns = ("Answered", "To", "Officer", "Purpose", "Statute", "Answer", "Taken back, destroyed", "Entry")
    disclosures = DocumentTable("Disclosures", columns, tuple(map(_row, accounting.disclosures)))
    refused = DocumentTable(
        "Refused before any record was looked at", columns, tuple(map(_row, accounting.refused))
    )
    more = (
        f" The keys of {accounting.sealed} older answers were destroyed: nobody can read whom they are about."
        if accounting.sealed
        else ""
    )
    return Document(
        title="Accounting of disclosures",
        subtitle=f"{accounting.title} ({accounting.agreement})",
        opening=f"Made by {accounting.oversight} under 5 U.S.C. 552a(c) and 26 U.S.C. 6103(p)(3).",
        sections=(
            DocumentSection(
                "Disclosures",
                (
                    f"The ledger holds {len(accounting.disclosures)} answers about the person with the tag "
                    f"{accounting.person_tag}, and {len(accounting.refused)} refusals.{more}",
                    "A tag is of an agency and a name. People of the same name share it; another spelling of "
                    "the name has another tag.",
                ),
                (disclosures, refused),
            ),
            basis_section(
                accounting.basis,
                digests,
                f"glomar-auditor accounting --person-tag {accounting.person_tag} --config auditor.toml",
            ),
        ),
    )


def _row(each: Disclosure) -> tuple[str, ...]:
    request = each.request
    ended = ", ".join(filter(None, (when(each.recalled_at), when(each.destroyed_at))))
    conditions = f" ({', '.join(request.conditions)})" if request.conditions else ""
    return (
        when(request.decided_at),
        each.to,
        " ".join(filter(None, (request.officer, request.unit))),
        request.intended_use,
        request.statute,
        f"{request.outcome}{conditions}",
        ended,
        str(request.verdict_sequence),
    )


def _at(record: IndexRecord | None) -> datetime | None:
    return moment(record.time_ns) if record and not record.fault else None
