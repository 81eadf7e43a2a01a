"""Makes a control for a slot: one function for each action. Pure."""

from datetime import datetime

from glomar_schemas.agreement.controls import InForce, require_known
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.errors import Misconfigured, Untrusted
from glomar_schemas.keys import KeyRecord, KeyRing
from glomar_schemas.messages import Control
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from msgspec.structs import replace


class DraftContext(Struct, frozen=True):
    """For which slot, under which agreement and when. in_force: None if the bus was not asked."""

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


def hold(context: DraftContext, scope: str, authority: str, reason: str) -> Control:
    """Raises Misconfigured for a scope that covers nothing."""
    try:
        require_known(scope, context.signed.agreement)
    except Untrusted as fault:
        raise Misconfigured(fault.what, where="--scope", fix="The agreement names them") from None
    return context.control("hold", scope=scope, authority=authority, reason=reason)


def lift(context: DraftContext, slot: int, authority: str, reason: str) -> Control:
    """Raises Misconfigured if the state in force is known and has no such hold."""
    if context.in_force is not None:
        slots = [each.slot for each in context.in_force.holds]
        if slot not in slots:
            known = f"In force are {', '.join(map(str, slots))}" if slots else "No hold is in force"
            raise Misconfigured(f"control {slot} is no hold in force", where="--lifts", fix=known)
    return context.control("lift", lifts=slot, authority=authority, reason=reason)


def key(context: DraftContext, record: KeyRecord, authority: str, reason: str) -> Control:
    """Raises Misconfigured for a key that every reader would refuse."""
    known = context.in_force.signed if context.in_force else None
    try:
        (known.ring if known else KeyRing(())).having(record)
    except Misconfigured as fault:
        raise Misconfigured(fault.what, where="--public") from None
    if record.party not in context.signed.agreement.parties:
        raise Misconfigured("the agreement has no such party", where="--party")
    if record.valid_from < context.at:
        fix = "Leave time for officials to sign"
        raise Misconfigured("a key may not be valid before its control is drafted", where="--from", fix=fix)
    return context.control("key", key=record, authority=authority, reason=reason)


def shred(context: DraftContext, key_id: str, authority: str, reason: str) -> Control:
    """Raises Misconfigured if the state in force is known and has no such key, or the key is still valid."""
    if context.in_force is not None:
        found = context.in_force.require().ring.get(key_id)
        if found is None or found.use != "seal":
            fix = "See: glomar-verifier epoch list"
            raise Misconfigured("no sealing key in force has this id", where="--key-id", fix=fix)
        if context.at < found.valid_until:
            fix = f"It is valid until {found.valid_until.isoformat()}"
            raise Misconfigured("others may still seal to this key", where="--key-id", fix=fix)
    return context.control("shred", key_id=key_id, authority=authority, reason=reason)


def agreement(context: DraftContext, version: SignedAgreement, authority: str, reason: str) -> Control:
    """Raises Misconfigured for a version that is not newer than the one in force."""
    known = context.in_force.signed if context.in_force else None
    if known is not None and version.agreement.version <= known.agreement.version:
        raise Misconfigured(f"version {known.agreement.version} is in force", where="FILE")
    control = context.control("agreement", authority=authority, reason=reason)
    return replace(control, agreement_digest=version.digest)
