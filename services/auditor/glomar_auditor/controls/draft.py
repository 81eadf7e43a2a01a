"""Draws up a control for a slot. Pure; called by `control draft`, one function for each action."""

from datetime import datetime

from glomar_schemas.agreement.controls import InForce
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.agreement.scopes import require_known
from glomar_schemas.errors import Misconfigured, Untrusted
from glomar_schemas.keys import KeyRecord, KeyRing
from glomar_schemas.messages import Control
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from msgspec.structs import replace


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


def key(occasion: Occasion, record: KeyRecord, authority: str, reason: str) -> Control:
    """Raises Misconfigured for a key that no reader would take up."""
    known = occasion.in_force.signed if occasion.in_force else None
    try:
        (known.ring if known else KeyRing(())).having(record)
    except Misconfigured as fault:
        raise Misconfigured(fault.what, where="--public") from None
    if record.party not in occasion.signed.agreement.parties:
        raise Misconfigured("the agreement has no such party", where="--party")
    if record.valid_from < occasion.at:
        fix = "Leave time for officials to sign"
        raise Misconfigured("a key may not count from before it was named", where="--from", fix=fix)
    return occasion.control("key", key=record, authority=authority, reason=reason)


def shred(occasion: Occasion, key_id: str, authority: str, reason: str) -> Control:
    """Raises Misconfigured where it is known that there is no such key, or that others may seal to it."""
    if occasion.in_force is not None:
        found = occasion.in_force.require().ring.get(key_id)
        if found is None or found.use != "seal":
            fix = "See: glomar-verifier epoch list"
            raise Misconfigured("no sealing key in force has this id", where="--key-id", fix=fix)
        if occasion.at < found.valid_until:
            fix = f"They may until {found.valid_until.isoformat()}"
            raise Misconfigured("others may still seal to this key", where="--key-id", fix=fix)
    return occasion.control("shred", key_id=key_id, authority=authority, reason=reason)


def agreement(occasion: Occasion, named: SignedAgreement, authority: str, reason: str) -> Control:
    """Raises Misconfigured for a version that is not newer than the one in force."""
    known = occasion.in_force.signed if occasion.in_force else None
    if known is not None and named.agreement.version <= known.agreement.version:
        raise Misconfigured(f"version {known.agreement.version} is in force", where="FILE")
    control = occasion.control("agreement", authority=authority, reason=reason)
    return replace(control, agreement_digest=named.digest)
