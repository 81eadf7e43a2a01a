"""The control sequence folded into what is in force. Pure; called by whoever decides and whoever releases.

Slots are consecutive from 1. The first one says which agreement this incarnation runs under.
"""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from glomar_schemas.agreement import Agreement, SignedAgreement
from glomar_schemas.envelope import open_envelope, signers
from glomar_schemas.errors import IntegrityError, Misconfigured, Refused, Untrusted
from glomar_schemas.keys import OFFICIAL
from glomar_schemas.messages import Control
from glomar_schemas.scopes import require_known
from glomar_schemas.subjects import Subjects


class Hold(Struct, frozen=True):
    """An order that nothing in its scope is answered. slot: the control that placed it."""

    slot: int
    scope: str
    authority: str

    def covers(self, agency: str, jurisdiction: str, person: str) -> bool:
        """person: its tag. Both "" where a request can't be read: only `all` and `agency` cover that."""
        kind, _, name = self.scope.partition(":")
        match kind:
            case "all":
                return True
            case "agency":
                return name == agency
            case "jurisdiction":
                return name == jurisdiction
            case _:
                return name == person


class InForce(Struct, frozen=True):
    """slot: the last control applied, 0 for none. Nothing may be decided while there is none."""

    slot: int = 0
    holds: tuple[Hold, ...] = ()

    def hold_on(self, agency: str, jurisdiction: str, person: str) -> Hold | None:
        """The first hold that covers such a request."""
        return next((hold for hold in self.holds if hold.covers(agency, jurisdiction, person)), None)


class Applied(Struct, frozen=True):
    """What is in force after a control. fault: why it was void and changed nothing; "" if it counts."""

    in_force: InForce
    fault: str = ""


def apply(state: InForce, body: bytes, signed: SignedAgreement, subjects: Subjects, at: datetime) -> Applied:
    """Applies the control in slot `state.slot + 1`; `at` is its stream time.

    A control that is malformed, or not signed by whom it must be, is void: its slot is used up, and nothing
    else changes. Raises IntegrityError for an action that this version does not know, and Misconfigured for
    an agreement that is not the one in the settings: whoever can't tell what is in force must not decide.
    """
    slot = state.slot + 1
    try:
        control, envelope = open_envelope(body, Control, subjects.control(slot))
        parties = signers(envelope, signed.ring, at, uses=OFFICIAL)
        act = _ACTIONS.get(control.action)
        if act is None:
            raise IntegrityError(
                f"control {slot} is a {control.action}",
                where=subjects.root,
                fix="Run a version that knows it",
            )
        if needed := lacking(control.action, parties, signed.agreement):
            raise Untrusted(needed)
        return Applied(replace(act(state, control, signed), slot=slot))
    except Refused as fault:
        return Applied(replace(state, slot=slot), fault.what)


def lacking(action: str, parties: frozenset[str], agreement: Agreement) -> str:
    """Whose officials must sign, while these parties' have; "" when that is enough."""
    match action:
        case "hold":
            return "" if parties else "a hold needs an official of one party"
        case "lift":
            return "" if len(parties) >= 2 else "lifting a hold needs officials of two parties"
        case _:
            enough = {agreement.holder, *agreement.requesters} <= parties
            return "" if enough else f"an {action} needs the officials of all its parties"


def _agreement(state: InForce, control: Control, signed: SignedAgreement) -> InForce:
    if control.agreement_digest != signed.digest:
        raise Misconfigured(
            "another version of the agreement is in force than the one in the settings",
            where=f"control {control.slot}",
            fix="Install the version that was signed",
        )
    return state


def _hold(state: InForce, control: Control, signed: SignedAgreement) -> InForce:
    require_known(control.scope, signed.agreement)
    return replace(state, holds=(*state.holds, Hold(control.slot, control.scope, control.authority)))


def _lift(state: InForce, control: Control, signed: SignedAgreement) -> InForce:
    remaining = tuple(hold for hold in state.holds if hold.slot != control.lifts)
    if len(remaining) == len(state.holds):
        raise Untrusted("lifts a hold that is not in force")
    return replace(state, holds=remaining)


_ACTIONS: dict[str, Callable[[InForce, Control, SignedAgreement], InForce]] = {
    "agreement": _agreement,
    "hold": _hold,
    "lift": _lift,
}
