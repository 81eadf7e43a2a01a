"""Every disclosure about one person (5 U.S.C. 552a(c), 26 U.S.C. 6103(p)(3)). Called by `accounting`.

A disclosure is an answer after a lookup, confirmation or denial. What was refused is listed apart: no record
was looked at.
"""

from datetime import datetime

from glomar_runtime.bus.stream import moment
from msgspec import Struct

from glomar_auditor.index.database import Wanted
from glomar_auditor.index.record import Record
from glomar_auditor.index.search import Matter, matter_of, opened_of
from glomar_auditor.reports.affidavit import basis, when
from glomar_auditor.reports.count import Source, rests
from glomar_auditor.reports.document import Document, Section, Table
from glomar_auditor.reports.model import Rests


class Disclosure(Struct, frozen=True, kw_only=True):
    """One request about the person. recalled_at, destroyed_at: stream times of recall and certificate."""

    matter: Matter
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
    """Answers whose key was destroyed, so that it can't be told whom they were about."""
    rests: Rests


def account(source: Source, person_tag: str) -> Accounting:
    """Raises Damaged."""
    agreement = source.versions.newest.agreement
    about: list[Disclosure] = []
    sealed = 0
    for request, verdict in source.index.matters(Wanted()):
        opened = opened_of(source.reading, verdict)
        sealed += verdict is not None and not verdict.fault and opened is None
        if opened is None or opened.person != person_tag:
            continue
        party = agreement.parties.get(request.agency)
        recall = source.index.about(request.agency, request.token, "recall")
        ack = source.index.about(request.agency, request.token, "ack")
        about.append(
            Disclosure(
                matter=matter_of(request, verdict, opened),
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
        disclosures=tuple(each for each in about if each.matter.outcome in ("confirm", "deny")),
        refused=tuple(each for each in about if each.matter.outcome == "refused"),
        sealed=sealed,
        rests=rests(source),
    )


def page(found: Accounting, digests: tuple[str, ...]) -> Document:
    """For the person who asks."""
    columns = ("Answered", "To", "Officer", "Purpose", "Statute", "Answer", "Taken back, destroyed", "Entry")
    made = Table("Disclosures", columns, tuple(map(_row, found.disclosures)))
    refused = Table("Refused before any record was looked at", columns, tuple(map(_row, found.refused)))
    more = (
        f" Of {found.sealed} older answers it can't be told any more whom they were about."
        if found.sealed
        else ""
    )
    return Document(
        title="Accounting of disclosures",
        subtitle=f"{found.title} ({found.agreement})",
        opening=f"Made by {found.oversight} under 5 U.S.C. 552a(c) and 26 U.S.C. 6103(p)(3).",
        sections=(
            Section(
                "Disclosures",
                (
                    f"The ledger holds {len(found.disclosures)} answers about the person with the tag "
                    f"{found.person_tag}, and {len(found.refused)} refusals.{more}",
                    "A tag is of an agency and a name: people of the same name share it, and another "
                    "spelling of the name has another.",
                ),
                (made, refused),
            ),
            basis(
                found.rests,
                digests,
                f"glomar-auditor accounting --person-tag {found.person_tag} --config auditor.toml",
            ),
        ),
    )


def _row(each: Disclosure) -> tuple[str, ...]:
    matter = each.matter
    gone = ", ".join(filter(None, (when(each.recalled_at), when(each.destroyed_at))))
    conditions = f" ({', '.join(matter.conditions)})" if matter.conditions else ""
    return (
        when(matter.decided_at),
        each.to,
        " ".join(filter(None, (matter.officer, matter.unit))),
        matter.intended_use,
        matter.statute,
        f"{matter.outcome}{conditions}",
        gone,
        str(matter.verdict_sequence),
    )


def _at(record: Record | None) -> datetime | None:
    return moment(record.time_ns) if record and not record.fault else None
