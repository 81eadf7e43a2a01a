"""Applies the control sequence: which agreement, keys and holds are in force. Pure.

Slots are consecutive from 1. The first control puts an agreement in force for this incarnation.
"""

import re
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from glomar_schemas.agreement.model import Agreement, SignedAgreement
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import open_envelope, signers
from glomar_schemas.errors import Misconfigured, Refused, Retryable, Untrusted
from glomar_schemas.keys import OFFICIAL, KeyRecord
from glomar_schemas.messages import Control
from glomar_schemas.subjects import Subjects

_TAG = re.compile(r"[0-9a-f]{64}\Z")


class Hold(Struct, frozen=True):
    """An order that no request in its scope is answered. slot: the control that placed it."""

    slot: int
    scope: str
    authority: str

    def covers(self, agency: str, jurisdiction: str, person: str) -> bool:
        """person: its tag. jurisdiction and person are "" for an unreadable request: only `all` and `agency`
        cover it.
        """
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
    """What is in force after a control. slot: the last control applied, 0 for none.

    No request may be decided while `signed` is None.
    """

    slot: int = 0
    signed: SignedAgreement | None = None
    """The version in force. Its ring has the keys in force, with all changes by controls."""
    versions: tuple[tuple[int, str], ...] = ()
    """(stream sequence of the control, digest) of each version that came into force, oldest first."""
    holds: tuple[Hold, ...] = ()
    added: tuple[KeyRecord, ...] = ()
    """Keys that controls have added to those of the agreement's file."""
    shredded: frozenset[str] = frozenset()
    """Ids of destroyed sealing keys."""

    def require(self) -> SignedAgreement:
        """The version in force. Raises Retryable while there is none."""
        if self.signed is None:
            raise Retryable("no agreement has been put in force on this stream yet")
        return self.signed

    def with_keys(self, signed: SignedAgreement) -> SignedAgreement:
        """A version with the keys of its file and the added keys, without the destroyed ones."""
        ring = signed.ring
        for record in self.added:
            if ring.get(record.key_id) is None:
                ring = ring.having(record)
        for key_id in self.shredded:
            ring = ring.without(key_id)
        return replace(signed, ring=ring)

    def digest_at(self, sequence: int) -> str:
        """Digest of the version in force when the stream stored that sequence; "" before the first."""
        return next((digest for since, digest in reversed(self.versions) if since < sequence), "")

    def hold_on(self, agency: str, jurisdiction: str, person: str) -> Hold | None:
        """The first hold that covers such a request; None if no hold does."""
        return next((hold for hold in self.holds if hold.covers(agency, jurisdiction, person)), None)


class Applied(Struct, frozen=True):
    """One control, and what is in force from it on. sequence, at: where and when the stream stored it.

    fault: why it is void and changed nothing; "" if it counts. control: None if it can't be signed_control.
    parties: those whose officials signed it.
    """

    sequence: int
    at: datetime
    in_force: InForce
    fault: str
    control: Control | None
    parties: frozenset[str]

    @property
    def slot(self) -> int:
        return self.in_force.slot


class _SignedControl(Struct, frozen=True):
    """A control, the parties whose officials signed it, and its sequence and time in the stream."""

    control: Control
    parties: frozenset[str]
    sequence: int
    at: datetime


def apply(
    state: InForce,
    body: bytes,
    versions: Versions,
    subjects: Subjects,
    sequence: int,
    at: datetime,
    *,
    slot: int | None = None,
) -> Applied:
    """Applies the control in the next slot. sequence, at: its place and time in the stream.

    slot: a later slot, for a reader that does not receive every control, such as an agency.
    A control that is malformed, or lacks a required signature, is void: it uses its slot and changes nothing
    else. Raises Misconfigured for a version of the agreement that is not installed: a service that does not
    know what is in force must not decide.
    """
    slot = slot or state.slot + 1
    control, parties = None, frozenset[str]()
    try:
        control, parties = _open_control(state, body, versions, subjects.control(slot), at)
        deciding = _deciding_version(state, control, versions)
        if missing := missing_signatures(control.action, parties, deciding.agreement):
            raise Untrusted(missing)
        signed_control = _SignedControl(control, parties, sequence, at)
        after = _ACTIONS[control.action](state, signed_control, versions)
        return Applied(sequence, at, replace(after, slot=slot), "", control, parties)
    except Refused as fault:
        return Applied(sequence, at, replace(state, slot=slot), fault.what, control, parties)


def _open_control(
    state: InForce, body: bytes, versions: Versions, subject: str, at: datetime
) -> tuple[Control, frozenset[str]]:
    """The control after `state`, and the parties whose officials signed it. Raises Malformed, Untrusted."""
    control, envelope = open_envelope(body, Control, subject)
    return control, signers(envelope, _deciding_version(state, control, versions).ring, at, uses=OFFICIAL)


def _deciding_version(state: InForce, control: Control, versions: Versions) -> SignedAgreement:
    """The version whose keys and parties decide: the one in force; for a new version, that version."""
    named = versions.get(control.agreement_digest) if control.action == "agreement" else None
    return named or state.signed or versions.newest


def missing_signatures(action: str, parties: frozenset[str], agreement: Agreement) -> str:
    """Which signatures are missing if the officials of these parties have signed; "" for none."""
    match action:
        case "agreement":
            complete = {agreement.holder, *agreement.requesters} <= parties
            return "" if complete else "an agreement needs the officials of all its parties"
        case "hold":
            return "" if parties else "a hold needs an official of one party"
        case _:
            return "" if len(parties) >= 2 else f"a {action} needs officials of two parties"


def _agreement(state: InForce, signed_control: _SignedControl, versions: Versions) -> InForce:
    control = signed_control.control
    signed = versions.get(control.agreement_digest)
    if signed is None:
        # All parties have signed this control; a control of anybody else is void and stops no service.
        raise Misconfigured(
            "another version of the agreement is in force than those installed",
            where=f"control {control.slot}",
            fix="Install the version that was signed",
        )
    if state.signed is not None and signed.agreement.version <= state.signed.agreement.version:
        raise Untrusted("not a newer version than the one in force")
    return replace(
        state,
        signed=state.with_keys(signed),
        versions=(*state.versions, (signed_control.sequence, signed.digest)),
    )


def _hold(state: InForce, signed_control: _SignedControl, versions: Versions) -> InForce:
    control = signed_control.control
    require_known(control.scope, (state.signed or versions.newest).agreement)
    return replace(state, holds=(*state.holds, Hold(control.slot, control.scope, control.authority)))


def _lift(state: InForce, signed_control: _SignedControl, versions: Versions) -> InForce:
    remaining = tuple(hold for hold in state.holds if hold.slot != signed_control.control.lifts)
    if len(remaining) == len(state.holds):
        raise Untrusted("lifts a hold that is not in force")
    return replace(state, holds=remaining)


def _key(state: InForce, signed_control: _SignedControl, versions: Versions) -> InForce:
    signed, record = _in_force(state), signed_control.control.key
    if record is None:
        raise Untrusted("names no key")
    if record.party not in signed_control.parties:
        raise Untrusted("a new key needs an official of its own party")
    if record.valid_from < signed_control.at:
        raise Untrusted("a new key may not be valid before its control")
    try:
        ring = signed.ring.having(record)
    except Misconfigured as fault:
        raise Untrusted(fault.what) from None
    return replace(state, signed=replace(signed, ring=ring), added=(*state.added, record))


def _shred(state: InForce, signed_control: _SignedControl, versions: Versions) -> InForce:
    signed, key_id = _in_force(state), signed_control.control.key_id or ""
    key = signed.ring.get(key_id)
    if key is None or key.use != "seal":
        raise Untrusted("destroys a key that is not a sealing key in force")
    if key.party not in signed_control.parties:
        raise Untrusted("destroying a key needs an official of its own party")
    if signed_control.at < key.valid_until:
        raise Untrusted("destroys a key to which others may still seal")
    ring = signed.ring.without(key_id)
    return replace(state, signed=replace(signed, ring=ring), shredded=state.shredded | {key_id})


def _in_force(state: InForce) -> SignedAgreement:
    if state.signed is None:
        raise Untrusted("no agreement is in force yet")
    return state.signed


_ACTIONS: dict[str, Callable[[InForce, _SignedControl, Versions], InForce]] = {
    "agreement": _agreement,
    "hold": _hold,
    "lift": _lift,
    "key": _key,
    "shred": _shred,
}


def require_known(scope: str, agreement: Agreement) -> None:
    """Raises Untrusted for a scope that names nothing under the agreement.

    Such a hold would be in force without effect, and its authority would not notice.
    """
    kind, _, name = scope.partition(":")
    match kind:
        case "all" if scope == kind:
            return
        case "agency":
            if name not in agreement.requesters:
                raise Untrusted("its scope names an agency that is not a requester of the agreement")
        case "jurisdiction":
            if name not in agreement.allowed.jurisdictions:
                raise Untrusted("its scope names a jurisdiction that the agreement does not list")
        case "person" if _TAG.match(name):
            return
        case _:
            raise Untrusted("its scope is not all, agency:NAME, jurisdiction:NAME or person:TAG")
