"""The state of one agreement in a running system, merged from its services' /status, and as text."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.inclusion_watch import InclusionStatus
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glomar_local.ports import Ports
from glomar_local.system.process import get

STYLES = {"ok": "green", "alert": "bold red", "behind": "yellow", "unchecked": "yellow"}
SEQUENCES = 5


class HoldStatus(Struct, frozen=True):
    slot: int
    scope: str
    authority: str


class WaitingRequests(Struct, frozen=True):
    """by_hold: slot of the hold -> number of requests. complete: false while the list is rebuilt."""

    total: int = 0
    by_hold: dict[int, int] = {}
    complete: bool = True


class Violations(Struct, frozen=True):
    """Verdicts stored after a hold, since the auditor's start; sequences: the newest of them."""

    count: int = 0
    sequences: tuple[int, ...] = ()


class Halted(Struct, frozen=True):
    """Why the auditor releases nothing: what differs, since which sequence, what it may mean, what to do."""

    what: str
    since: int
    meaning: str
    fix: str


class WitnessStatus(Struct, frozen=True):
    """size, time: of the last checkpoint that it cosigned (s since 1970); fault: why not since then."""

    key: str
    size: int = 0
    time: int = 0
    fault: str = ""


class WitnessesStatus(Struct, frozen=True):
    """cosigned_size: size of the newest checkpoint that a quorum has cosigned."""

    cosigned_size: int = 0
    each: tuple[WitnessStatus, ...] = ()


class AgreementStatus(Struct, frozen=True):
    """One service's /status, or several merged into one."""

    control_slot: int = 0
    holds: tuple[HoldStatus, ...] = ()
    waiting: WaitingRequests | None = None
    violations: Violations | None = None
    halted: Halted | None = None
    gaps: int = 0
    witnesses: WitnessesStatus = WitnessesStatus()
    ledger: InclusionStatus | None = None
    own: dict[str, InclusionStatus] = {}
    """By service, after merging: what each publisher found of its own messages in the ledger."""


async def ask(ports: Ports) -> AgreementStatus:
    """Asks the services of one agreement. A value that none of them gives is None."""
    asked = {"auditor": ports.auditor, "verifier": ports.verifier, "requester": ports.requester}
    answers = await asyncio.gather(*(get(port, "/status") for port in asked.values()))
    answered = zip(asked, answers, strict=True)
    return merged({name: _read(body) for name, (code, body) in answered if code == 200})


def merged(by_service: Mapping[str, AgreementStatus]) -> AgreementStatus:
    found = list(by_service.values())
    furthest = max(found, key=lambda each: each.control_slot, default=AgreementStatus())
    return AgreementStatus(
        furthest.control_slot,
        furthest.holds,
        next((each.waiting for each in found if each.waiting is not None), None),
        next((each.violations for each in found if each.violations is not None), None),
        next((each.halted for each in found if each.halted is not None), None),
        max((each.gaps for each in found), default=0),
        next((each.witnesses for each in found if each.witnesses.each), WitnessesStatus()),
        own={name: each.ledger for name, each in by_service.items() if each.ledger is not None},
    )


def render(status: AgreementStatus) -> RenderableType:
    """The text below the table of processes."""
    violations, waiting = status.violations, status.waiting
    lines: list[RenderableType] = ["", *_halted(status.halted)]
    lines.append(f"last control: slot {status.control_slot or '-'}")
    total = None if waiting is None else waiting.total
    lines.append(f"waiting requests: {_number(total)}{_unfinished(waiting)}")
    count = None if violations is None else violations.count
    lines.append(Text(f"violations: {_number(count)}", "bold red" if count else ""))
    if violations is not None and count:
        lines.append(f"  newest at sequence {', '.join(map(str, violations.sequences[-5:]))}")
    lines += _ledger_lines(status.own, datetime.now(UTC))
    lines += _witnesses(status.witnesses)
    if status.gaps:
        lines.append(Text(f"gaps in the ledger: {status.gaps:,}", "bold red"))
    if not status.holds:
        return Group(*lines, "holds in force: none")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("hold", "scope", "waiting", "authority"):
        table.add_column(column)
    for hold in status.holds:
        number = waiting.by_hold.get(hold.slot, 0) if waiting else None
        table.add_row(str(hold.slot), Text(hold.scope), _number(number), Text(hold.authority))
    return Group(*lines, "holds in force:", table)


def _witnesses(witnesses: WitnessesStatus) -> list[Text]:
    """No lines if the auditor has no policy."""
    if not witnesses.each:
        return []
    lines = [Text(f"cosigned by a quorum of witnesses: the first {witnesses.cosigned_size:,} entries")]
    for each in witnesses.each:
        when = datetime.fromtimestamp(each.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        said = f"{each.size:,}, {when}" if each.time else "nothing yet"
        fault = f"; {each.fault}" if each.fault else ""
        lines.append(Text(f"  {each.key}: {said}{fault}", "yellow" if fault else ""))
    return lines


def _halted(halted: Halted | None) -> list[RenderableType]:
    if halted is None:
        return []
    since = f", since sequence {halted.since}" if halted.since else ""
    return [
        Text(f"RELEASES ARE HALTED: {halted.what}{since}", "bold red"),
        Text(f"  This may mean: {halted.meaning}."),
        Text(f"  What to do: {halted.fix}."),
        "",
    ]


def _number(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _unfinished(waiting: WaitingRequests | None) -> str:
    return "" if waiting is None or waiting.complete else " (still being counted)"


def _read(body: str) -> AgreementStatus:
    try:
        return msgspec.json.decode(body, type=AgreementStatus, strict=False)
    except msgspec.DecodeError:
        return AgreementStatus()


def _ledger_lines(own: Mapping[str, InclusionStatus], now: datetime) -> list[Text]:
    """A line for each service that publishes: does the ledger hold its messages?"""
    return [
        Text(f"ledger, says the {name}: {_ledger_words(ledger, now)}", STYLES.get(ledger.state, ""))
        for name, ledger in own.items()
    ]


def require_trusted(own: Mapping[str, InclusionStatus]) -> None:
    """Raises IntegrityError if the ledger lacks a publisher's messages, or was rewritten."""
    for name, ledger in own.items():
        if ledger.state == "alert":
            raise IntegrityError(
                ledger.fault,
                where=f"ledger, says the {name}",
                fix="See docs/how-to/operate/find-a-missing-message.md",
            )


def _ledger_words(ledger: InclusionStatus, now: datetime) -> str:
    checked = "never checked"
    if ledger.checked_at is not None:
        ago_s = max(0, round((now - ledger.checked_at).total_seconds()))
        checked = f"checked up to entry {ledger.size:,}, {ago_s} s ago"
    match ledger.state:
        case "off":
            return "not checked; no ledger_url is set"
        case "ok":
            return f"has all of its messages; {checked}"
        case "alert" if ledger.absent:
            first = ", ".join(map(str, ledger.absent_sequences[:SEQUENCES]))
            return f"LACKS {ledger.absent:,} of its messages, the first at sequence {first}; {checked}"
        case "alert":
            return f"NOT TO BE TRUSTED: {ledger.fault}"
        case _:
            return f"{checked}: {ledger.fault}"
