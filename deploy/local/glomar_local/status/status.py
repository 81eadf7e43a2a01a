"""What is in force in a running system, as its auditor and verifier say. Called by `status`.

Both follow the same controls; whoever has come further is believed.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from glomar_schemas.tlog.inclusion_watch import InclusionStatus
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glomar_local.ports import Ports
from glomar_local.status import ledger_shown
from glomar_local.system.process import get


class HoldShown(Struct, frozen=True):
    slot: int
    scope: str
    authority: str


class Waiting(Struct, frozen=True):
    """by_hold: slot of the hold -> how many wait for it. complete: false while the list is made anew."""

    total: int = 0
    by_hold: dict[int, int] = {}
    complete: bool = True


class Violations(Struct, frozen=True):
    """Verdicts behind a hold since the auditor's start; sequences: the newest of them."""

    count: int = 0
    sequences: tuple[int, ...] = ()


class Halted(Struct, frozen=True):
    """Why the auditor releases nothing: what differs since which sequence, what it may mean, what to do."""

    what: str
    since: int
    meaning: str
    fix: str


class WitnessShown(Struct, frozen=True):
    """size: that it cosigned last, at that time (s since 1970); fault: why not since."""

    key: str
    size: int = 0
    time: int = 0
    fault: str = ""


class Witnesses(Struct, frozen=True):
    """cosigned_size: of the newest checkpoint that a quorum has cosigned."""

    cosigned_size: int = 0
    each: tuple[WitnessShown, ...] = ()


class Standing(Struct, frozen=True):
    """One service's /status; `merged` makes one of two."""

    control_slot: int = 0
    holds: tuple[HoldShown, ...] = ()
    waiting: Waiting | None = None
    violations: Violations | None = None
    halted: Halted | None = None
    gaps: int = 0
    witnesses: Witnesses = Witnesses()
    ledger: InclusionStatus | None = None
    own: dict[str, InclusionStatus] = {}
    """By service, once merged: what each publisher found of its own messages in the ledger."""


async def ask(ports: Ports) -> Standing:
    """Of the services of one agreement. What none of them answers stays empty: None."""
    asked = {"auditor": ports.auditor, "verifier": ports.verifier, "requester": ports.requester}
    answers = await asyncio.gather(*(get(port, "/status") for port in asked.values()))
    answered = zip(asked, answers, strict=True)
    return merged({name: _read(body) for name, (status, body) in answered if status == 200})


def merged(by_service: Mapping[str, Standing]) -> Standing:
    found = list(by_service.values())
    furthest = max(found, key=lambda each: each.control_slot, default=Standing())
    return Standing(
        furthest.control_slot,
        furthest.holds,
        next((each.waiting for each in found if each.waiting is not None), None),
        next((each.violations for each in found if each.violations is not None), None),
        next((each.halted for each in found if each.halted is not None), None),
        max((each.gaps for each in found), default=0),
        next((each.witnesses for each in found if each.witnesses.each), Witnesses()),
        own={name: each.ledger for name, each in by_service.items() if each.ledger is not None},
    )


def render(standing: Standing) -> RenderableType:
    """Below the table of processes."""
    violations, waiting = standing.violations, standing.waiting
    lines: list[RenderableType] = ["", *_halted(standing.halted)]
    lines.append(f"last control: slot {standing.control_slot or '-'}")
    total = None if waiting is None else waiting.total
    lines.append(f"waiting requests: {_number(total)}{_unfinished(waiting)}")
    count = None if violations is None else violations.count
    lines.append(Text(f"violations: {_number(count)}", "bold red" if count else ""))
    if violations is not None and count:
        lines.append(f"  newest at sequence {', '.join(map(str, violations.sequences[-5:]))}")
    lines += ledger_shown.lines(standing.own, datetime.now(UTC))
    lines += _witnesses(standing.witnesses)
    if standing.gaps:
        lines.append(Text(f"gaps in the ledger: {standing.gaps:,}", "bold red"))
    if not standing.holds:
        return Group(*lines, "holds in force: none")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("hold", "scope", "waiting", "authority"):
        table.add_column(column)
    for hold in standing.holds:
        number = waiting.by_hold.get(hold.slot, 0) if waiting else None
        table.add_row(str(hold.slot), Text(hold.scope), _number(number), Text(hold.authority))
    return Group(*lines, "holds in force:", table)


def _witnesses(witnesses: Witnesses) -> list[Text]:
    """Nothing where the auditor has no policy."""
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


def _unfinished(waiting: Waiting | None) -> str:
    return "" if waiting is None or waiting.complete else " (still being counted)"


def _read(body: str) -> Standing:
    try:
        return msgspec.json.decode(body, type=Standing, strict=False)
    except msgspec.DecodeError:
        return Standing()
