"""Officials' orders as the stream has them, and the holds among them. Called by reports and `show`; pure."""

from collections.abc import Sequence
from datetime import datetime

from glomar_schemas.messages import Control
from msgspec import Struct


class Order(Struct, frozen=True):
    """One control. fault: why it is void; then the rest may be missing."""

    slot: int
    sequence: int
    at: datetime
    control: Control | None
    parties: tuple[str, ...]
    fault: str


class HoldLine(Struct, frozen=True, kw_only=True):
    """A hold that counts, and its end if it has one. by: the parties whose officials signed."""

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


def hold_lines(orders: Sequence[Order]) -> tuple[HoldLine, ...]:
    """The holds that count, lifted or not."""
    lifts = {order.control.lifts: order for order in _counting(orders, "lift") if order.control}
    return tuple(_hold_line(order, lifts.get(order.slot)) for order in _counting(orders, "hold"))


def _counting(orders: Sequence[Order], action: str) -> list[Order]:
    return [o for o in orders if o.control and o.control.action == action and not o.fault]


def _hold_line(order: Order, lift: Order | None) -> HoldLine:
    return HoldLine(
        slot=order.slot,
        sequence=order.sequence,
        at=order.at,
        scope=order.control.scope if order.control else "",
        authority=order.control.authority if order.control else "",
        by=order.parties,
        lifted_slot=lift.slot if lift else None,
        lifted_sequence=lift.sequence if lift else None,
        lifted_at=lift.at if lift else None,
        lifted_authority=lift.control.authority if lift and lift.control else "",
        lifted_by=lift.parties if lift else (),
    )
