"""The control sequence folded into what is in force. Pure; called by whoever decides and whoever releases.

Slots are consecutive from 1. The first one says which agreement this incarnation runs under.
"""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from glomar_schemas.agreement.model import Agreement, SignedAgreement
from glomar_schemas.agreement.scopes import require_known
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import open_envelope, signers
from glomar_schemas.errors import Misconfigured, Refused, Retryable, Untrusted
from glomar_schemas.keys import OFFICIAL, KeyRecord
from glomar_schemas.messages import Control
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
    signed: SignedAgreement | None = None
    """The version in force; its ring holds the keys in force, as controls have changed them."""
    versions: tuple[tuple[int, str], ...] = ()
    """(stream sequence of the control, digest) of each version that came into force, oldest first."""
    holds: tuple[Hold, ...] = ()
    added: tuple[KeyRecord, ...] = ()
    """Keys that controls have added to those of the agreement's file."""
    shredded: frozenset[str] = frozenset()
    """Ids of destroyed sealing keys."""

    def require(self) -> SignedAgreement:
        """Raises Retryable while no agreement is in force."""
        if self.signed is None:
            raise Retryable("no agreement has been put in force on this stream yet")
        return self.signed

    def with_keys(self, signed: SignedAgreement) -> SignedAgreement:
        """A version with the keys of its file, those that controls added, without those they destroyed."""
        ring = signed.ring
        for record in self.added:
            if ring.get(record.key_id) is None:
                ring = ring.having(record)
        for key_id in self.shredded:
            ring = ring.without(key_id)
        return replace(signed, ring=ring)

    def digest_at(self, sequence: int) -> str:
        """Of the version that was in force when the stream stored that sequence; "" before the first."""
        return next((digest for since, digest in reversed(self.versions) if since < sequence), "")

    def hold_on(self, agency: str, jurisdiction: str, person: str) -> Hold | None:
        """The first hold that covers such a request."""
        return next((hold for hold in self.holds if hold.covers(agency, jurisdiction, person)), None)


class Applied(Struct, frozen=True):
    """One control, and what is in force from it on. sequence, at: where and when the stream stored it.

    fault: why it is void and changed nothing; "" if it counts. control: None if it can't be opened.
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
    """A control, whose officials signed it, and where and when the stream stored it."""

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
    """Applies the control in the next slot; `sequence` and `at` are the stream's.

    slot: a later one, for a reader who is not told of every control, as an agency is not.
    A control that is malformed, or not signed by whom it must be, is void: its slot is used up, and nothing
    else changes. Raises Misconfigured for a version of the agreement that is not installed: whoever can't
    tell what is in force must not decide.
    """
    slot = slot or state.slot + 1
    control, parties = None, frozenset[str]()
    try:
        control, parties = _open_control(state, body, versions, subjects.control(slot), at)
        judge = _judge(state, control, versions)
        if needed := missing_signatures(control.action, parties, judge.agreement):
            raise Untrusted(needed)
        opened = _SignedControl(control, parties, sequence, at)
        after = _ACTIONS[control.action](state, opened, versions)
        return Applied(sequence, at, replace(after, slot=slot), "", control, parties)
    except Refused as fault:
        return Applied(sequence, at, replace(state, slot=slot), fault.what, control, parties)


def _open_control(
    state: InForce, body: bytes, versions: Versions, subject: str, at: datetime
) -> tuple[Control, frozenset[str]]:
    """A control behind `state`, and the parties whose officials signed it. Raises Malformed, Untrusted."""
    control, envelope = open_envelope(body, Control, subject)
    return control, signers(envelope, _judge(state, control, versions).ring, at, uses=OFFICIAL)


def _judge(state: InForce, control: Control, versions: Versions) -> SignedAgreement:
    """Whose keys and parties count: the version in force; for a new one that version itself."""
    named = versions.get(control.agreement_digest) if control.action == "agreement" else None
    return named or state.signed or versions.newest


def missing_signatures(action: str, parties: frozenset[str], agreement: Agreement) -> str:
    """Whose officials must sign, while these parties' have; "" when that is enough."""
    match action:
        case "agreement":
            enough = {agreement.holder, *agreement.requesters} <= parties
            return "" if enough else "an agreement needs the officials of all its parties"
        case "hold":
            return "" if parties else "a hold needs an official of one party"
        case _:
            return "" if len(parties) >= 2 else f"a {action} needs officials of two parties"


def _agreement(state: InForce, opened: _SignedControl, versions: Versions) -> InForce:
    control = opened.control
    signed = versions.get(control.agreement_digest)
    if signed is None:
        # Only what all parties signed comes this far; anybody else's control is void and stops no service.
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
        versions=(*state.versions, (opened.sequence, signed.digest)),
    )


def _hold(state: InForce, opened: _SignedControl, versions: Versions) -> InForce:
    control = opened.control
    require_known(control.scope, (state.signed or versions.newest).agreement)
    return replace(state, holds=(*state.holds, Hold(control.slot, control.scope, control.authority)))


def _lift(state: InForce, opened: _SignedControl, versions: Versions) -> InForce:
    remaining = tuple(hold for hold in state.holds if hold.slot != opened.control.lifts)
    if len(remaining) == len(state.holds):
        raise Untrusted("lifts a hold that is not in force")
    return replace(state, holds=remaining)


def _key(state: InForce, opened: _SignedControl, versions: Versions) -> InForce:
    signed, record = _in_force(state), opened.control.key
    if record is None:
        raise Untrusted("names no key")
    if record.party not in opened.parties:
        raise Untrusted("a new key needs an official of its own party")
    if record.valid_from < opened.at:
        raise Untrusted("a new key may not count from before it was named")
    try:
        ring = signed.ring.having(record)
    except Misconfigured as fault:
        raise Untrusted(fault.what) from None
    return replace(state, signed=replace(signed, ring=ring), added=(*state.added, record))


def _shred(state: InForce, opened: _SignedControl, versions: Versions) -> InForce:
    signed, key_id = _in_force(state), opened.control.key_id or ""
    key = signed.ring.get(key_id)
    if key is None or key.use != "seal":
        raise Untrusted("destroys a key that is no sealing key in force")
    if key.party not in opened.parties:
        raise Untrusted("destroying a key needs an official of its own party")
    if opened.at < key.valid_until:
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
