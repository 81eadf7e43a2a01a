"""The report as an affidavit. Pure."""

from collections.abc import Sequence
from datetime import datetime

from glomar_auditor.reports.document import Document, DocumentSection, DocumentTable
from glomar_auditor.reports.model import Basis, DisclosureReport, OutcomeCounts

MAX_ROWS = 100
"""Of a table in a document; the JSON form has all."""

_OUTCOMES = ("requests", "confirm", "deny", "refused", "unanswered", "void", "unknown")
_HEADINGS = ("Requests", "Confirmed", "Denied", "Refused", "Unanswered", "Void", "Sealed")
_LEGEND = (
    "Confirmed, denied: after a lookup. Refused: before any record was looked at. Void: the message in the "
    "answer's place does not count. Sealed: the key that opens the answer was destroyed."
)


def affidavit(report: DisclosureReport) -> Document:
    """The whole report, as a document that an official swears to."""
    return Document(
        title="Affidavit on requests and disclosures",
        subtitle=f"{report.title} ({report.agreement})",
        opening=(
            f"I am an official of {report.oversight}, the oversight body under this agreement. I have had "
            "the ledger of the bus counted as described below, and I declare under penalty of perjury "
            "(28 U.S.C. 1746) that the following is the result of the count."
        ),
        sections=(
            _requests(report),
            _holds(report),
            _recalls(report),
            _people(report),
            _uncounted(report),
            basis_section(report.basis, report.digests, _command(report)),
        ),
        signature=("Name and office", "Place and date", "Signature"),
    )


def basis_section(basis: Basis, digests: Sequence[str], command: str) -> DocumentSection:
    """The checkpoint that the numbers rest on, and the command that counts them again."""
    how = (
        "Every message of the stream up to this checkpoint was compared with its entry in the ledger, and "
        "the entries with the signed root. Every signature was checked."
        if basis.evidence
        else "These numbers are from the search index and are no evidence. Count again without --quick."
    )
    moment = f", the newest of {when(basis.last_entry)}" if basis.last_entry else ""
    return DocumentSection(
        "What this rests on",
        (
            how,
            f"The checkpoint is {basis.origin}: {basis.size} entries{moment}, root {basis.root}.",
            *(f"The agreement in force was the file with SHA-256 {digest}." for digest in digests),
            "With the oversight body's keys, ledger and stream, and the checkpoint below in a file, "
            f"this command gives the same numbers: {command} --checkpoint FILE",
        ),
        code=basis.note,
    )


def when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def period(since: datetime | None, until: datetime | None) -> str:
    start = f"from {since:%Y-%m-%d %H:%M %Z}" if since else "from the beginning"
    return f"{start} up to {until:%Y-%m-%d %H:%M %Z}" if until else start


def outcome_table(title: str, head: str, found: Sequence[OutcomeCounts], note: str = "") -> DocumentTable:
    more = f"{len(found) - MAX_ROWS} more are in the JSON form. " if len(found) > MAX_ROWS else ""
    return DocumentTable(
        title,
        (head, *_HEADINGS),
        tuple(
            (line.name or "(not attributable)", *(str(getattr(line, each)) for each in _OUTCOMES))
            for line in found[:MAX_ROWS]
        ),
        frozenset(range(1, len(_HEADINGS) + 1)),
        note=f"{more}{note}",
    )


def _requests(report: DisclosureReport) -> DocumentSection:
    total = report.total
    looked_up = total.confirm + total.deny
    return DocumentSection(
        "Requests",
        (
            f"Counted are the requests {period(report.since, report.until)}, with their outcomes up to the "
            "checkpoint below.",
            f"{_number(total.requests, 'request')} {_was(total.requests)} made. In {looked_up} of them a "
            f"record was looked up: {total.confirm} {_was(total.confirm)} confirmed and {total.deny} denied. "
            f"{total.refused} {_was(total.refused)} refused before any record was looked at. "
            f"{total.unanswered} {_was(total.unanswered)} unanswered.",
        ),
        (
            outcome_table("By agency", "Agency", report.by_agency, _LEGEND),
            outcome_table("By officer", "Officer", report.by_officer),
            outcome_table("By ground", "Ground", report.by_ground),
            outcome_table("By statute", "Statute", report.by_statute),
            DocumentTable(
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


def _holds(report: DisclosureReport) -> DocumentSection:
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
        "No answer was stored under a hold that covers it."
        if not report.violations
        else f"Answers stored under a hold that covers them, which were never released: "
        f"{len(report.violations)}, at sequences {', '.join(map(str, report.violations[:MAX_ROWS]))}."
    )
    in_force = sum(hold.lifted_slot is None for hold in report.holds)
    return DocumentSection(
        "Holds",
        (
            f"{_number(len(report.holds), 'hold')} {_was(len(report.holds))} placed; {in_force} in force.",
            violations,
        ),
        (
            DocumentTable(
                "Holds, and who placed and lifted them",
                ("Slot", "Scope", "Authority", "Placed", "Lifted"),
                rows,
            ),
        ),
    )


def _recalls(report: DisclosureReport) -> DocumentSection:
    rows = tuple(
        (each.request_id, each.agency, each.cause, when(each.at), when(each.certified_at) or "OUTSTANDING")
        for each in report.recalls[:MAX_ROWS]
    )
    certified = sum(report.certificates.values())
    causes = ", ".join(f"{number} for {cause}" for cause, number in sorted(report.certificates.items()))
    return DocumentSection(
        "Recalls and destruction",
        (
            f"{_number(len(report.recalls), 'answer')} {_was(len(report.recalls))} taken back; the "
            f"destruction of {report.outstanding} has not been certified yet.",
            f"Agencies have certified the destruction of {_number(certified, 'answer')}"
            + (f": {causes}." if causes else "."),
        ),
        (DocumentTable("Recalls", ("Request", "Agency", "Cause", "Recalled", "Certified"), rows),),
    )


def _people(report: DisclosureReport) -> DocumentSection:
    people = report.people
    rows = tuple((each.person_tag, str(each.requests)) for each in people.repeated[:MAX_ROWS])
    return DocumentSection(
        "People asked about more than once",
        (
            f"The requests name {people.asked_about} people, {people.more_than_once} of them more than once. "
            "They are told apart by the record holder's keyed tags of an agency and a name, which name "
            "nobody. Two people of the same name count as one.",
        ),
        (DocumentTable("More than once", ("Tag", "Requests"), rows, frozenset({1})),),
    )


def _uncounted(report: DisclosureReport) -> DocumentSection:
    found = report.left_out
    return DocumentSection(
        "Messages that do not count",
        (
            f"In the whole ledger {found.malformed} messages were malformed, {found.untrusted} were not "
            f"signed by the right party, {found.unreadable} answers could not be opened, "
            f"{found.void_controls} orders were void, {found.other} messages have unknown subjects, and "
            f"the stream lost {found.gaps} messages before they were recorded.",
        ),
    )


def _command(report: DisclosureReport) -> str:
    since = f" --since {report.since.isoformat()}" if report.since else ""
    until = f" --until {report.until.isoformat()}" if report.until else ""
    return f"glomar-auditor report --config auditor.toml{since}{until}"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _and(parties: Sequence[str]) -> str:
    return " and ".join(parties)
