"""Draws up a control for a slot. Pure; called by `control draft`, one function for each action."""

from datetime import datetime

from glomar_schemas.agreement import SignedAgreement
from glomar_schemas.controls import InForce
from glomar_schemas.errors import Misconfigured, Untrusted
from glomar_schemas.messages import Control
from glomar_schemas.scopes import require_known
from glomar_schemas.subjects import Subjects
from msgspec import Struct


class Occasion(Struct, frozen=True):
    """For which slot, under which agreement and when. in_force: None where the bus was not asked."""

    slot: int
    signed: SignedAgreement
    subjects: Subjects
    at: datetime
    in_force: InForce | None = None

    def control(self, action: str, **fields: object) -> Control:
        return Control(
            slot=self.slot,
            subject=self.subjects.control(self.slot),
            agreement=self.subjects.agreement,
            action=action,  # type: ignore[arg-type]  # a draft is decoded before it is written
            agreement_digest=self.signed.digest,
            issued_at=self.at.replace(microsecond=0),
            **fields,  # type: ignore[arg-type]
        )


def hold(occasion: Occasion, scope: str, authority: str, reason: str) -> Control:
    """Raises Misconfigured for a scope that would hold nothing."""
    try:
        require_known(scope, occasion.signed.agreement)
    except Untrusted as fault:
        raise Misconfigured(fault.what, where="--scope", fix="The agreement names them") from None
    return occasion.control("hold", scope=scope, authority=authority, reason=reason)


def lift(occasion: Occasion, slot: int, authority: str, reason: str) -> Control:
    """Raises Misconfigured where it is known that there is no such hold."""
    if occasion.in_force is not None:
        slots = [each.slot for each in occasion.in_force.holds]
        if slot not in slots:
            known = f"In force are {', '.join(map(str, slots))}" if slots else "No hold is in force"
            raise Misconfigured(f"control {slot} is no hold in force", where="--lifts", fix=known)
    return occasion.control("lift", lifts=slot, authority=authority, reason=reason)
