"""What is in force after each control, and what makes a control void."""

from dataclasses import dataclass

import pytest
from glomar_schemas.agreement import SignedAgreement
from glomar_schemas.controls import Applied, Hold, InForce, apply
from glomar_schemas.envelope import seal_envelope
from glomar_schemas.errors import IntegrityError, Misconfigured
from msgspec.structs import replace

from tests import samples
from tests.examples import model_agreement

OFFICIALS = (samples.HOLDER, samples.REQUESTER)
SIGNED = SignedAgreement(model_agreement(), samples.AGREEMENT_DIGEST, samples.RING)
PERSON, SOMEBODY_ELSE = samples.digest("person").hex(), samples.digest("somebody else").hex()
STARTED = InForce(1)
HELD = InForce(2, (Hold(2, "all", "Order of the court"),))


@dataclass(frozen=True)
class Drawn:
    """A control in the next slot, and whose officials signed it."""

    state: InForce
    parties: tuple[str, ...]
    fields: dict[str, object]

    def applied(self) -> Applied:
        slot = self.state.slot + 1
        control = replace(samples.control(), slot=slot, subject=samples.SUBJECTS.control(slot), **self.fields)
        body = seal_envelope(control, [samples.signer(party, "official") for party in self.parties])
        return apply(self.state, body, SIGNED, samples.SUBJECTS, samples.NOW)


def place(scope: str = "all", parties: tuple[str, ...] = (samples.HOLDER,)) -> Drawn:
    return Drawn(STARTED, parties, {"action": "hold", "scope": scope, "authority": "Order of the court"})


def lift(parties: tuple[str, ...], slot: int = 2) -> Drawn:
    return Drawn(HELD, parties, {"action": "lift", "lifts": slot})


def test_the_first_control_puts_the_agreement_in_force() -> None:
    assert Drawn(InForce(), OFFICIALS, {}).applied() == Applied(InForce(1))


def test_one_official_places_a_hold() -> None:
    assert place().applied() == Applied(HELD)


def test_officials_of_two_parties_lift_it() -> None:
    assert lift(OFFICIALS).applied() == Applied(InForce(3))


@pytest.mark.parametrize(
    ("drawn", "fault"),
    [
        (Drawn(InForce(), (samples.HOLDER,), {}), "officials of all its parties"),
        (lift((samples.HOLDER,)), "officials of two parties"),
        (lift((samples.HOLDER, samples.HOLDER)), "officials of two parties"),
        (lift(OFFICIALS, slot=1), "not in force"),
    ],
)
def test_what_too_few_signed_or_what_is_not_there_changes_nothing(drawn: Drawn, fault: str) -> None:
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
    applied = apply(STARTED, body, SIGNED, samples.SUBJECTS, samples.NOW)

    assert applied.in_force == InForce(2)
    assert applied.fault


def test_an_unknown_action_stops_whoever_reads_it() -> None:
    with pytest.raises(IntegrityError, match="control 2 is a shred"):
        Drawn(STARTED, OFFICIALS, {"action": "shred"}).applied()


def test_another_agreement_than_the_installed_one_stops_whoever_reads_it() -> None:
    with pytest.raises(Misconfigured, match="another version"):
        Drawn(STARTED, OFFICIALS, {"agreement_digest": "0" * 64}).applied()


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

    assert applied.in_force == InForce(2)
    assert applied.fault
