"""What is in force after each control, and what makes a control void."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from glomar_schemas.agreement.controls import Applied, Hold, InForce, apply
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.errors import Misconfigured
from glomar_schemas.keys import KeyRecord, key_id, public_text
from msgspec.structs import replace

from tests.support import samples
from tests.support.model_request import model_agreement

OFFICIALS = (samples.HOLDER, samples.REQUESTER)
SIGNED = SignedAgreement(model_agreement(), samples.AGREEMENT_DIGEST, samples.RING)
NEXT = SignedAgreement(replace(model_agreement(), version=2), "b" * 64, samples.RING)
VERSIONS = Versions({signed.digest: signed for signed in (SIGNED, NEXT)})
STARTED = InForce(1, SIGNED, versions=((1, SIGNED.digest),))
HELD = replace(STARTED, slot=2, holds=(Hold(2, "all", "Order of the court"),))
OLD_KEY = key_id(samples.sealing_key(samples.HOLDER).public_key())
NEW_KEY = KeyRecord(
    party=samples.HOLDER,
    use="seal",
    public=public_text(samples.sealing_key("next epoch").public_key()),
    valid_from=samples.NOW,
    valid_until=samples.VALID_UNTIL + timedelta(days=30),
)
PERSON, SOMEBODY_ELSE = samples.digest("person").hex(), samples.digest("somebody else").hex()


@dataclass(frozen=True)
class Drawn:
    """A control in the next slot, and the parties whose officials signed it."""

    state: InForce
    parties: tuple[str, ...]
    fields: dict[str, object]
    at: object = field(default=samples.NOW)

    def applied(self) -> Applied:
        slot = self.state.slot + 1
        control = replace(samples.control(), slot=slot, subject=samples.SUBJECTS.control(slot), **self.fields)
        body = seal_envelope(control, [samples.signer(party, "official") for party in self.parties])
        return apply(self.state, body, VERSIONS, samples.SUBJECTS, 10 * slot, self.at)  # type: ignore[arg-type]


def place(scope: str = "all", parties: tuple[str, ...] = (samples.HOLDER,)) -> Drawn:
    return Drawn(STARTED, parties, {"action": "hold", "scope": scope, "authority": "Order of the court"})


def lift(parties: tuple[str, ...], slot: int = 2) -> Drawn:
    return Drawn(HELD, parties, {"action": "lift", "lifts": slot})


def renew(parties: tuple[str, ...] = OFFICIALS, state: InForce = STARTED) -> Drawn:
    return Drawn(state, parties, {"agreement_digest": NEXT.digest})


def rotate(record: KeyRecord | None = NEW_KEY, parties: tuple[str, ...] = OFFICIALS) -> Drawn:
    return Drawn(STARTED, parties, {"action": "key", "key": record})


def shred(
    key: str = OLD_KEY, parties: tuple[str, ...] = OFFICIALS, at: object = samples.VALID_UNTIL
) -> Drawn:
    # The officials' own keys must outlive those of the epoch.
    ring = samples.RING
    for party in OFFICIALS:
        held = key_id(samples.signing_key(party, "official").public_key())
        ring = ring.without(held).having(
            KeyRecord(
                party=party,
                use="official",
                public=public_text(samples.signing_key(party, "official").public_key()),
                valid_from=samples.VALID_FROM,
                valid_until=samples.VALID_UNTIL + timedelta(days=30),
            )
        )
    state = replace(STARTED, signed=replace(SIGNED, ring=ring))
    return Drawn(state, parties, {"action": "shred", "key_id": key}, at)


def test_the_first_control_puts_the_agreement_in_force() -> None:
    first = Drawn(InForce(), OFFICIALS, {}).applied()

    assert first.fault == ""
    assert first.in_force.require().digest == SIGNED.digest
    assert first.in_force.versions == ((10, SIGNED.digest),)


def test_one_official_places_a_hold() -> None:
    applied = place().applied()

    assert (applied.in_force, applied.fault) == (HELD, "")
    assert applied.parties == {samples.HOLDER}


def test_officials_of_two_parties_lift_it() -> None:
    applied = lift(OFFICIALS).applied()

    assert (applied.in_force, applied.fault) == (replace(STARTED, slot=3), "")
    assert applied.parties == {*OFFICIALS}


def test_a_new_version_is_in_force_after_its_control() -> None:
    state = renew().applied().in_force

    assert state.require().digest == NEXT.digest
    assert (state.digest_at(20), state.digest_at(21)) == (SIGNED.digest, NEXT.digest)


def test_a_key_that_was_added_outlives_the_version_that_it_was_added_to() -> None:
    state = renew(state=rotate().applied().in_force).applied().in_force

    assert state.require().ring.sealing_key(samples.HOLDER, samples.NOW).id == NEW_KEY.key_id


def test_a_new_key_counts_beside_the_old_one() -> None:
    ring = rotate().applied().in_force.require().ring

    assert ring.sealing_key(samples.HOLDER, samples.NOW).id == NEW_KEY.key_id
    assert ring.get(OLD_KEY) is not None


def test_a_key_that_was_destroyed_is_in_force_no_more() -> None:
    drawn = shred()
    state = drawn.applied().in_force

    assert state.shredded == {OLD_KEY}
    assert state.require().ring.get(OLD_KEY) is None
    again = Drawn(state, OFFICIALS, {"agreement_digest": NEXT.digest}).applied().in_force
    assert again.require().ring.get(OLD_KEY) is None


@pytest.mark.parametrize(
    ("drawn", "fault"),
    [
        (Drawn(InForce(), (samples.HOLDER,), {}), "officials of all its parties"),
        (lift((samples.HOLDER,)), "officials of two parties"),
        (lift((samples.HOLDER, samples.HOLDER)), "officials of two parties"),
        (lift(OFFICIALS, slot=1), "not in force"),
        (renew((samples.HOLDER,)), "officials of all its parties"),
        (Drawn(STARTED, OFFICIALS, {}), "not a newer version"),
        (rotate(None), "names no key"),
        (rotate(parties=(samples.HOLDER,)), "officials of two parties"),
        (rotate(replace(NEW_KEY, party=samples.OVERSIGHT)), "official of its own party"),
        (rotate(replace(NEW_KEY, valid_from=samples.VALID_FROM)), "before its control"),
        (rotate(replace(NEW_KEY, public=samples.RECORDS[1].public)), "named twice"),
        (rotate(replace(NEW_KEY, public="nonsense")), "SubjectPublicKeyInfo"),
        (shred(parties=(samples.HOLDER,)), "officials of two parties"),
        (shred("0" * 32), "not a sealing key in force"),
        (shred(at=samples.NOW), "others may still seal"),
        (Drawn(InForce(), OFFICIALS, {"action": "key", "key": NEW_KEY}), "no agreement is in force"),
    ],
)
def test_a_control_with_too_few_signatures_or_an_unknown_target_changes_nothing(
    drawn: Drawn, fault: str
) -> None:
    applied = drawn.applied()

    assert applied.in_force == replace(drawn.state, slot=drawn.state.slot + 1)
    assert fault in applied.fault


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        seal_envelope(samples.control(), [samples.signer(samples.HOLDER, "official")]),
        seal_envelope(
            replace(samples.control(), slot=2, subject=samples.SUBJECTS.control(2), action="hold"),
            [samples.signer(samples.HOLDER)],
        ),
    ],
    ids=["empty", "no envelope", "replayed from another slot", "signed by a service"],
)
def test_what_no_official_signed_for_this_slot_changes_nothing(body: bytes) -> None:
    applied = apply(STARTED, body, VERSIONS, samples.SUBJECTS, 20, samples.NOW)

    assert applied.in_force == replace(STARTED, slot=2)
    assert applied.fault


def test_a_version_that_is_not_installed_stops_its_reader() -> None:
    with pytest.raises(Misconfigured, match="another version"):
        Drawn(STARTED, OFFICIALS, {"agreement_digest": "0" * 64}).applied()


def test_a_version_that_is_not_installed_stops_nobody_unless_officials_signed_it() -> None:
    assert Drawn(STARTED, (samples.HOLDER,), {"agreement_digest": "0" * 64}).applied().fault


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("all", True),
        ("agency:ice", True),
        ("jurisdiction:federal", True),
        ("jurisdiction:mad", False),
        (f"person:{PERSON}", True),
        (f"person:{SOMEBODY_ELSE}", False),
    ],
)
def test_a_hold_covers_its_scope_and_nothing_else(scope: str, covered: bool) -> None:
    state = place(scope).applied().in_force

    assert (state.hold_on("ice", "federal", PERSON) is not None) is covered


@pytest.mark.parametrize(
    ("scope", "covered"), [("all", True), ("agency:ice", True), (f"person:{PERSON}", False)]
)
def test_what_can_not_be_read_is_covered_by_agency_only(scope: str, covered: bool) -> None:
    assert (place(scope).applied().in_force.hold_on("ice", "", "") is not None) is covered


@pytest.mark.parametrize("scope", ["agncy:ice", "agency:cbp", "jurisdiction:D. Mass.", "person:abc"])
def test_a_scope_that_names_nothing_is_void(scope: str) -> None:
    applied = place(scope).applied()

    assert applied.in_force == replace(STARTED, slot=2)
    assert applied.fault
