"""What is in force at each sequence of a stream."""

from collections.abc import Iterable

import pytest
from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.bus.stream import Stored
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import seal_envelope
from msgspec.structs import replace

from tests.support import samples
from tests.support.model_request import model_agreement

SIGNED = SignedAgreement(model_agreement(), samples.AGREEMENT_DIGEST, samples.RING)
VERSIONS = Versions({SIGNED.digest: SIGNED})
START_NS = int(samples.VALID_FROM.timestamp()) * 10**9
BOTH = (samples.HOLDER, samples.REQUESTER)


def control(sequence: int, slot: int, parties: Iterable[str] = BOTH, **fields: object) -> Stored:
    subject = samples.SUBJECTS.control(slot)
    written = replace(samples.control(), slot=slot, subject=subject, **fields)
    body = seal_envelope(written, [samples.signer(party, "official") for party in parties])
    return Stored(sequence, START_NS + sequence, subject, body)


AGREED = control(1, 1)
HELD = control(5, 2, [samples.HOLDER], action="hold", scope="all", authority="Order of the court")
LIFTED = control(8, 3, action="lift", lifts=2)


def history(*controls: Stored) -> ControlHistory:
    found = ControlHistory(VERSIONS, samples.SUBJECTS)
    for each in controls:
        found.add(each)
    return found


@pytest.mark.parametrize(
    ("sequence", "before", "since"), [(1, 0, 1), (2, 1, 1), (5, 1, 2), (7, 2, 2), (8, 2, 3), (9, 3, 3)]
)
def test_a_control_is_in_force_from_its_sequence_on(sequence: int, before: int, since: int) -> None:
    found = history(AGREED, HELD, LIFTED)
    assert (found.before(sequence).slot, found.since(sequence).slot) == (before, since)
    assert bool(found.since(sequence).holds) is (since == 2)


def test_a_slot_that_is_filled_too_early_waits_for_the_one_before_it() -> None:
    found = history(AGREED, replace(LIFTED, sequence=2), HELD)
    assert [(each.slot, each.sequence, each.fault) for each in found.controls] == [
        (1, 1, ""),
        (2, 5, ""),
        (3, 2, ""),
    ]
    assert found.before(5).slot == 1
    assert found.before(6).slot == 3


def test_a_void_control_uses_up_its_slot_and_says_who_signed_it() -> None:
    by_one = control(8, 3, [samples.HOLDER], action="lift", lifts=2)
    found = history(AGREED, HELD, by_one)
    void = found.controls[-1]
    assert (void.slot, void.fault, void.parties) == (
        3,
        "a lift needs officials of two parties",
        frozenset(BOTH[:1]),
    )
    assert void.control is not None
    assert found.in_force.holds
