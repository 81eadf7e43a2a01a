"""Releases: the true one is believed, and each way to alter one is noticed."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from glomar_requester.ask import Asked
from glomar_requester.verification.release import Proven, open_release, verify
from glomar_schemas.crypto.sealing import ANSWER_SIZES, pad
from glomar_schemas.errors import IntegrityError
from glomar_schemas.messages import Answer, Refusal, Release, ResultPending, encode
from glomar_schemas.tlog import leaf as leaves

from tests.support import samples
from tests.unit.requester import world
from tests.unit.requester.world import CONFIRMED, DENIED, Made, decide, identity, sealed

ASKED = world.prepared(world.an_ask())[0].asked
OTHER = world.prepared(world.an_ask(1), world.an_ask(2))[1].asked
REFUSAL = Refusal(condition="L7", citation="8 U.S.C. 1253(a)", message="Not 90 days")
REFUSED = Answer(outcome="deny", record_consulted=False, refusals=(REFUSAL,), salt=bytes(16))


def believe(raw: bytes, asked: Asked = ASKED) -> Proven:
    release = open_release(raw, asked.request_id, identity())
    assert release is not None
    return verify(release, asked, identity())


def swapped(**changes: Any) -> bytes:
    made = decide(ASKED)
    return sealed(made, made.with_release(**changes))


@pytest.mark.parametrize(
    ("answer", "outcome"), [(CONFIRMED, "confirm"), (DENIED, "deny"), (REFUSED, "refused")]
)
def test_a_true_release_is_believed(answer: Answer, outcome: str) -> None:
    result = believe(sealed(decide(ASKED, answer))).result
    assert (result.outcome, result.refusals) == (outcome, answer.refusals)
    assert (result.request_id, result.reference) == (ASKED.request_id, "R-1")
    assert (result.sequence, result.receipt_ok) == (2, True)
    assert result.trace_id == f"{1:032x}"


def test_the_checkpoint_that_the_proof_rests_on_is_handed_on() -> None:
    assert believe(sealed(decide(ASKED))).checkpoint.size == 2


def test_pending_is_no_release() -> None:
    pending = encode(ResultPending(request_id=ASKED.request_id))
    assert open_release(pending, ASKED.request_id, identity()) is None


def test_a_flipped_bit_anywhere_in_what_was_pushed_is_noticed() -> None:
    raw = sealed(decide(ASKED))
    for position in range(0, len(raw), 97):
        altered = bytearray(raw)
        altered[position] ^= 1
        with pytest.raises(IntegrityError):
            believe(bytes(altered))


def test_a_release_for_another_agency_does_not_open() -> None:
    with pytest.raises(IntegrityError, match="does not open"):
        believe(sealed(decide(ASKED), agency="atf"))


def test_a_release_of_another_request_does_not_open() -> None:
    with pytest.raises(IntegrityError, match="does not open"):
        believe(sealed(decide(OTHER)))


def test_a_release_of_another_request_sealed_for_this_one_is_noticed() -> None:
    with pytest.raises(IntegrityError):
        believe(sealed(decide(ASKED), encode(decide(OTHER).release)))


def test_a_release_that_names_another_request_is_noticed() -> None:
    with pytest.raises(IntegrityError, match="for another request"):
        believe(swapped(request_id=OTHER.request_id))


@pytest.mark.parametrize("signer", [samples.REQUESTER, samples.OVERSIGHT])
def test_a_verdict_that_the_holder_did_not_sign_is_noticed(signer: str) -> None:
    with pytest.raises(IntegrityError, match="another party"):
        believe(sealed(decide(ASKED, signed_by=signer)))


def test_a_verdict_from_before_the_holders_key_was_valid_is_noticed() -> None:
    before = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    with pytest.raises(IntegrityError, match="outside its validity"):
        believe(sealed(decide(ASKED, time_ns=before)))


def test_another_answer_than_the_signed_one_is_noticed() -> None:
    with pytest.raises(IntegrityError, match="not the one that the holder signed"):
        believe(swapped(answer=pad(encode(DENIED), ANSWER_SIZES)))


def test_an_answer_with_another_salt_is_noticed() -> None:
    salted = msgspec.structs.replace(CONFIRMED, salt=bytes(16))
    with pytest.raises(IntegrityError, match="not the one that the holder signed"):
        believe(swapped(answer=pad(encode(salted), ANSWER_SIZES)))


def test_an_answer_without_padding_is_noticed() -> None:
    with pytest.raises(IntegrityError):
        believe(swapped(answer=encode(CONFIRMED)))


def test_a_verdict_on_other_bytes_is_noticed() -> None:
    with pytest.raises(IntegrityError, match="other bytes"):
        believe(sealed(decide(ASKED, request_digest=hashlib.sha256(b"").hexdigest())))


def test_a_verdict_under_another_agreement_is_noticed() -> None:
    with pytest.raises(IntegrityError, match="another version of the agreement"):
        believe(sealed(decide(ASKED, agreement_digest="0" * 64)))


def test_a_verdict_for_another_slot_is_noticed() -> None:
    elsewhere = samples.SUBJECTS.verdict("atf", ASKED.request_id)
    with pytest.raises(IntegrityError):
        believe(sealed(decide(ASKED, subject=elsewhere)))


def test_a_receipt_for_another_place_in_the_ledger_is_noticed() -> None:
    with pytest.raises(IntegrityError, match="another stream sequence"):
        believe(sealed(decide(ASKED, index=0)))


def test_a_checkpoint_that_another_key_signed_is_noticed() -> None:
    with pytest.raises(IntegrityError, match="no signature by the log's key"):
        believe(sealed(decide(ASKED, ledger_key=samples.HOLDER)))


def test_a_checkpoint_of_another_log_is_noticed() -> None:
    with pytest.raises(IntegrityError):
        believe(sealed(decide(ASKED, origin="audit.tigta/IRS_ICE_2025_2")))


@pytest.mark.parametrize("receipt", [b"", b"\xff", b"c2sp.org/tlog-proof@v1\n"])
def test_a_receipt_that_is_none_is_noticed(receipt: bytes) -> None:
    with pytest.raises(IntegrityError):
        believe(swapped(receipt=receipt))


def test_the_receipt_of_another_verdict_is_noticed() -> None:
    with pytest.raises(IntegrityError, match="signed root"):
        believe(swapped(receipt=decide(OTHER).release.receipt))


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 1},
        {"time_ns": 1_759_933_805_000_000_043},
        {"subject": "glomar.irs-ice-2025.control.1"},
        {"body_sha256": bytes(32)},
    ],
)
def test_an_entry_that_says_something_else_is_noticed(changes: dict[str, Any]) -> None:
    entry = msgspec.structs.replace(decide(ASKED).entry, **changes)
    with pytest.raises(IntegrityError):
        believe(swapped(leaf=leaves.encode(entry)))


def test_entry_and_receipt_of_another_verdict_are_noticed() -> None:
    """Both fit each other and are in the ledger; they are just not this verdict's."""
    other = decide(OTHER).release
    with pytest.raises(IntegrityError, match="of another message"):
        believe(swapped(leaf=other.leaf, receipt=other.receipt))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(outcome="confirm", record_consulted=False, salt=bytes(16)),
        Answer(outcome="deny", record_consulted=True, refusals=(REFUSAL,), salt=bytes(16)),
    ],
)
def test_an_answer_that_contradicts_itself_is_noticed(answer: Answer) -> None:
    with pytest.raises(IntegrityError):
        believe(sealed(decide(ASKED, answer)))


def test_no_error_says_what_the_answer_was() -> None:
    made: Made = decide(ASKED, request_digest="0" * 64)
    with pytest.raises(IntegrityError) as caught:
        believe(sealed(made))
    assert "confirm" not in str(caught.value)


def test_a_release_is_not_taken_for_a_sealed_message() -> None:
    made = decide(ASKED)
    assert isinstance(made.release, Release)
    with pytest.raises(IntegrityError):
        open_release(encode(made.release), ASKED.request_id, identity())
