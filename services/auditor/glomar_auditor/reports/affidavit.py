"""The report as an affidavit, and in public. Pure; called by the `report` command and by the console."""

from collections.abc import Sequence
from datetime import datetime

from glomar_auditor.reports.document import Document, Section, Table
from glomar_auditor.reports.model import Line, Report, Rests

MOST_ROWS = 100
"""In a table of a document; the JSON has all."""

_OUTCOMES = ("requests", "confirm", "deny", "refused", "unanswered", "void", "unknown")
_HEADINGS = ("Requests", "Confirmed", "Denied", "Refused", "Unanswered", "Void", "Sealed")
_LEGEND = (
    "Confirmed, denied: after a lookup. Refused: before any record was looked at. Void: the message in the "
    "answer's place does not count. Sealed: the key that opens the answer was destroyed."
)


def affidavit(report: Report) -> Document:
    """Everything that a report says, for somebody to swear to."""
    return Document(
        title="Affidavit on requests and disclosures",
        subtitle=f"{report.title} ({report.agreement})",
        opening=(
            f"I am an official of {report.oversight}, the oversight body under this agreement. I have had "
            "the ledger of the bus counted as described below, and I declare under penalty of perjury "
            "(28 U.S.C. 1746) that what follows is what the count gave."
        ),
        sections=(
            _requests(report),
            _orders(report),
            _recalls(report),
            _people(report),
            _left_out(report),
            basis(report.rests, report.digests, _again(report)),
        ),
        signature=("Name and office", "Place and date", "Signature"),
    )


def basis(rests: Rests, digests: Sequence[str], again: str) -> Section:
    """The checkpoint under the numbers, and how anybody gets them again."""
    how = (
        "Every message of the stream up to this checkpoint was held against its entry in the ledger, the "
        "entries against the signed root, and every signature checked."
        if rests.evidence
        else "These numbers are from the search index and are no evidence: count again without --quick."
    )
    moment = f", the newest of {when(rests.last_entry)}" if rests.last_entry else ""
    return Section(
        "What this rests on",
        (
            how,
            f"The checkpoint is {rests.origin}: {rests.size} entries{moment}, root {rests.root}.",
            *(f"The agreement in force was the file with SHA-256 {digest}." for digest in digests),
            "Whoever holds the oversight body's keys, ledger and stream, and the checkpoint below in a file, "
            f"gets the same numbers with: {again} --checkpoint FILE",
        ),
        code=rests.note,
    )


def when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def period(since: datetime | None, until: datetime | None) -> str:
    start = f"from {since:%Y-%m-%d %H:%M %Z}" if since else "from the beginning"
    return f"{start} up to {until:%Y-%m-%d %H:%M %Z}" if until else start


def lines(title: str, head: str, found: Sequence[Line], note: str = "") -> Table:
    more = f"{len(found) - MOST_ROWS} more are in the JSON form. " if len(found) > MOST_ROWS else ""
    return Table(
        title,
        (head, *_HEADINGS),
        tuple(
            (line.name or "(not attributable)", *(str(getattr(line, each)) for each in _OUTCOMES))
            for line in found[:MOST_ROWS]
        ),
        frozenset(range(1, len(_HEADINGS) + 1)),
        note=f"{more}{note}",
    )


def _requests(report: Report) -> Section:
    total = report.total
    looked = total.confirm + total.deny
    return Section(
        "Requests",
        (
            f"Counted are the requests {period(report.since, report.until)}, and what became of them up to "
            "the checkpoint below.",
            f"{_number(total.requests, 'request')} {_was(total.requests)} made. In {looked} of them a record "
            f"was looked up: {total.confirm} {_was(total.confirm)} confirmed and {total.deny} denied. "
            f"{total.refused} {_was(total.refused)} refused before any record was looked at. "
            f"{total.unanswered} {_was(total.unanswered)} unanswered.",
        ),
        (
            lines("By agency", "Agency", report.by_agency, _LEGEND),
            lines("By officer", "Officer", report.by_officer),
            lines("By ground", "Ground", report.by_ground),
            lines("By statute", "Statute", report.by_statute),
            Table(
                "Refused, by condition of the agreement",
                ("Condition", "Element", "Authority", "Requests"),
                tuple(
                    (each.condition, each.name, each.citation, str(each.requests))
                    for each in report.refused_under
                ),
                frozenset({3}),
                note="A request that fails several conditions is counted under each.",
            ),
        ),
    )


def _orders(report: Report) -> Section:
    rows = tuple(
        (
            str(hold.slot),
            hold.scope,
            hold.authority,
            f"{when(hold.at)}, {_and(hold.by)}",
            f"{when(hold.lifted_at)}, {_and(hold.lifted_by)}: {hold.lifted_authority}"
            if hold.lifted_slot
            else "in force",
        )
        for hold in report.holds
    )
    violations = (
        "No answer stands behind a hold that covers it."
        if not report.violations
        else f"Answers behind a hold that covers them, which were never handed out: "
        f"{len(report.violations)}, at sequences {', '.join(map(str, report.violations[:MOST_ROWS]))}."
    )
    in_force = sum(hold.lifted_slot is None for hold in report.holds)
    return Section(
        "Holds",
        (
            f"{_number(len(report.holds), 'hold')} {_was(len(report.holds))} placed; {in_force} in force.",
            violations,
        ),
        (
            Table(
                "Holds, and who placed and lifted them",
                ("Slot", "Scope", "Authority", "Placed", "Lifted"),
                rows,
            ),
        ),
    )


def _recalls(report: Report) -> Section:
    rows = tuple(
        (each.request_id, each.agency, each.cause, when(each.at), when(each.certified_at) or "OUTSTANDING")
        for each in report.recalls[:MOST_ROWS]
    )
    certified = sum(report.certificates.values())
    causes = ", ".join(f"{number} for {cause}" for cause, number in sorted(report.certificates.items()))
    return Section(
        "Recalls and destruction",
        (
            f"{_number(len(report.recalls), 'answer')} {_was(len(report.recalls))} taken back; the "
            f"destruction of {report.outstanding} has not been certified yet.",
            f"Agencies have certified the destruction of {_number(certified, 'answer')}"
            + (f": {causes}." if causes else "."),
        ),
        (Table("Recalls", ("Request", "Agency", "Cause", "Recalled", "Certified"), rows),),
    )


def _people(report: Report) -> Section:
    people = report.people
    rows = tuple((each.person_tag, str(each.requests)) for each in people.repeated[:MOST_ROWS])
    return Section(
        "People asked about more than once",
        (
            f"The requests name {people.asked_about} people, {people.more_than_once} of them more than once. "
            "They are told apart by the record holder's keyed tags of an agency and a name, which name "
            "nobody; two people of the same name count as one.",
        ),
        (Table("More than once", ("Tag", "Requests"), rows, frozenset({1})),),
    )


def _left_out(report: Report) -> Section:
    found = report.left_out
    return Section(
        "Messages that do not count",
        (
            f"In the whole ledger {found.malformed} messages were malformed, {found.untrusted} not signed by "
            f"whom they must be, {found.unreadable} answers could not be opened, {found.void_controls} "
            f"orders were void, {found.other} messages stand under subjects that mean nothing, and "
            f"{found.gaps} were lost by the stream before they were recorded.",
        ),
    )


def _again(report: Report) -> str:
    since = f" --since {report.since.isoformat()}" if report.since else ""
    until = f" --until {report.until.isoformat()}" if report.until else ""
    return f"glomar-auditor report --config auditor.toml{since}{until}"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _and(parties: Sequence[str]) -> str:
    return " and ".join(parties)
