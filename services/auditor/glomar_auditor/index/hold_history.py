"""The holds of a stream: who placed each, under which authority, and who lifted it. Pure."""

from collections.abc import Sequence
from datetime import datetime

from glomar_schemas.agreement.controls import Applied
from msgspec import Struct


class HoldSummary(Struct, frozen=True, kw_only=True):
    """A hold that counts, and its lift if there is one. by: the parties whose officials signed."""

    slot: int
    sequence: int
    at: datetime
    scope: str
    authority: str
    by: tuple[str, ...]
    lifted_slot: int | None = None
    lifted_sequence: int | None = None
    lifted_at: datetime | None = None
    lifted_authority: str = ""
    lifted_by: tuple[str, ...] = ()


def hold_summaries(controls: Sequence[Applied]) -> tuple[HoldSummary, ...]:
    """The holds that count, lifted or not, in slot order."""
    lifts = {each.control.lifts: each for each in _counting(controls, "lift") if each.control}
    return tuple(_summary(each, lifts.get(each.slot)) for each in _counting(controls, "hold"))


def _counting(controls: Sequence[Applied], action: str) -> list[Applied]:
    return [each for each in controls if each.control and each.control.action == action and not each.fault]


def _summary(hold: Applied, lift: Applied | None) -> HoldSummary:
    return HoldSummary(
        slot=hold.slot,
        sequence=hold.sequence,
        at=hold.at,
        scope=hold.control.scope if hold.control else "",
        authority=hold.control.authority if hold.control else "",
        by=tuple(sorted(hold.parties)),
        lifted_slot=lift.slot if lift else None,
        lifted_sequence=lift.sequence if lift else None,
        lifted_at=lift.at if lift else None,
        lifted_authority=lift.control.authority if lift and lift.control else "",
        lifted_by=tuple(sorted(lift.parties)) if lift else (),
    )
