"""Envelopes: who signed what for which subject, and that nothing in them can be altered."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from glomar_schemas.crypto.dsse import (
    Envelope,
    open_envelope,
    pre_authentication,
    require_signer,
    seal_envelope,
    signers,
)
from glomar_schemas.crypto.sealing import PARTICULARS_SIZES
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Refused, Untrusted
from glomar_schemas.messages import Control, Message, Request, Verdict, encode
from glomar_schemas.subjects import MAX_MESSAGE_BYTES
from hypothesis import given
from hypothesis import strategies as st

from tests.support.samples import (
    AGREEMENT,
    HOLDER,
    NOW,
    OTHER_ID,
    OVERSIGHT,
    REQUEST_ID,
    REQUESTER,
    RING,
    SUBJECTS,
    VALID_UNTIL,
    control,
    request,
    signer,
    verdict,
)

REQUEST = request()
SUBJECT = REQUEST.subject
BODY = seal_envelope(REQUEST, [signer(REQUESTER)])
CANARY = "Zzyzxcanary"


def accept(body: bytes, subject: str = SUBJECT, party: str = REQUESTER, at: datetime = NOW) -> Request:
    message, envelope = open_envelope(body, Request, subject)
    require_signer(envelope, party, RING, at)
    return message


def altered(**fields: Any) -> bytes:
    """REQUEST with other fields, honestly signed."""
    return seal_envelope(msgspec.structs.replace(REQUEST, **fields), [signer(REQUESTER)])


def test_a_signed_request_is_opened_and_its_signer_known() -> None:
    assert accept(BODY) == REQUEST


@pytest.mark.parametrize(
    ("message", "party", "use"),
    [(REQUEST, REQUESTER, "sign"), (verdict(b"r", b"a"), HOLDER, "sign"), (control(), HOLDER, "sign")],
)
def test_every_kind_of_signed_message_comes_back_the_same(message: Any, party: str, use: Any) -> None:
    body = seal_envelope(message, [signer(party, use)])
    opened, envelope = open_envelope(body, type(message), message.subject)
    assert opened == message
    assert signers(envelope, RING, NOW) == {party}


def test_the_signed_bytes_are_those_of_dsse() -> None:
    assert pre_authentication("a/b", b"payload") == b"DSSEv1 3 a/b 7 payload"
    assert pre_authentication("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_an_envelope_is_a_dsse_json_envelope() -> None:
    tree = json.loads(BODY)
    assert set(tree) == {"payload", "payloadType", "signatures"}
    assert tree["payloadType"] == "application/vnd.glomar.request.v1+json"
    assert base64.b64decode(tree["payload"], validate=True) == encode(REQUEST)


@given(at=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_one_altered_bit_anywhere_in_the_body_is_refused(at: int, bit: int) -> None:
    body = bytearray(BODY)
    body[at] ^= 1 << bit
    with pytest.raises(Refused):
        accept(bytes(body))


@given(at=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_one_altered_byte_anywhere_in_the_body_is_refused(at: int, byte: int) -> None:
    body = bytearray(BODY)
    if body[at] != byte:
        body[at] = byte
        with pytest.raises(Refused):
            accept(bytes(body))


def test_every_byte_of_payload_type_and_signature_is_covered() -> None:
    tree = json.loads(BODY)
    signature = tree["signatures"][0]
    for holder, name in ((tree, "payload"), (tree, "payloadType"), (signature, "sig"), (signature, "keyid")):
        good = holder[name]
        for index, character in enumerate(good):
            other = "B" if character != "B" else "C"
            holder[name] = good[:index] + other + good[index + 1 :]
            with pytest.raises(Refused):
                accept(json.dumps(tree).encode())
        holder[name] = good
    assert accept(json.dumps(tree).encode()) == REQUEST


@pytest.mark.parametrize(
    "subject",
    [
        SUBJECTS.request(REQUESTER, OTHER_ID),
        SUBJECTS.request("fbi", REQUEST_ID),
        SUBJECTS.verdict(REQUESTER, REQUEST_ID),
        SUBJECT.replace(AGREEMENT, "other"),
    ],
)
def test_a_message_moved_to_another_subject_is_refused(subject: str) -> None:
    with pytest.raises(Malformed, match="another subject"):
        accept(BODY, subject)


@pytest.mark.parametrize("fields", [{"id": OTHER_ID}, {"agency": "fbi"}, {"agreement": "other"}])
def test_a_request_whose_fields_name_another_subject_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="its own fields"):
        accept(altered(**fields))


def test_a_verdict_about_another_request_is_refused() -> None:
    message = msgspec.structs.replace(verdict(b"r", b"a"), request_id=OTHER_ID)
    with pytest.raises(Malformed, match="its own fields"):
        open_envelope(seal_envelope(message, [signer(HOLDER)]), Verdict, message.subject)


def test_a_control_for_another_slot_is_refused() -> None:
    message = msgspec.structs.replace(control(), slot=2)
    with pytest.raises(Malformed, match="its own fields"):
        open_envelope(seal_envelope(message, [signer(HOLDER)]), Control, message.subject)


def test_a_payload_of_another_kind_is_refused() -> None:
    body = seal_envelope(control(), [signer(REQUESTER)])
    with pytest.raises(Malformed, match="payloadType"):
        accept(body)


def test_a_payload_under_the_type_of_another_is_refused() -> None:
    kind, payload = "application/vnd.glomar.request.v1+json", encode(control())
    signature = signer(REQUESTER).sign(kind, payload)
    body = encode(Envelope(payload=payload, payload_type=kind, signatures=(signature,)))
    with pytest.raises(Malformed):
        accept(body)


@pytest.mark.parametrize("party", [HOLDER, OVERSIGHT])
def test_the_signature_of_another_party_is_refused(party: str) -> None:
    with pytest.raises(Untrusted, match="another party"):
        accept(seal_envelope(REQUEST, [signer(party)]))


def test_a_second_signature_of_another_party_is_refused() -> None:
    with pytest.raises(Untrusted, match="another party"):
        accept(seal_envelope(REQUEST, [signer(REQUESTER), signer(HOLDER)]))


def test_one_bad_signature_among_good_ones_is_refused() -> None:
    _, envelope = open_envelope(seal_envelope(REQUEST, [signer(REQUESTER), signer(HOLDER)]), Request, SUBJECT)
    first, second = envelope.signatures
    damaged = msgspec.structs.replace(
        envelope, signatures=(first, msgspec.structs.replace(second, sig=bytes(64)))
    )
    with pytest.raises(Untrusted, match="does not hold"):
        signers(damaged, RING, NOW)


def test_two_parties_signatures_are_both_found() -> None:
    message = control()
    body = seal_envelope(message, [signer(HOLDER), signer(OVERSIGHT)])
    _, envelope = open_envelope(body, Control, message.subject)
    assert signers(envelope, RING, NOW) == {HOLDER, OVERSIGHT}


def test_signing_twice_does_not_count_twice() -> None:
    message = control()
    body = seal_envelope(message, [signer(HOLDER), signer(HOLDER)])
    _, envelope = open_envelope(body, Control, message.subject)
    assert signers(envelope, RING, NOW) == {HOLDER}


def test_a_key_outside_its_validity_is_refused() -> None:
    with pytest.raises(Untrusted, match="outside its validity"):
        accept(BODY, at=VALID_UNTIL)


def test_a_key_for_another_use_is_refused() -> None:
    with pytest.raises(Untrusted, match="does not name"):
        accept(seal_envelope(REQUEST, [signer(REQUESTER, "official")]))


@pytest.mark.parametrize("count", [0, 9])
def test_an_envelope_holds_one_to_eight_signatures(count: int) -> None:
    with pytest.raises(Malformed):
        accept(seal_envelope(REQUEST, [signer(REQUESTER)] * count))


def test_trailing_white_space_does_not_alter_what_was_signed() -> None:
    assert accept(BODY + b"\n") == REQUEST


@given(body=st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        open_envelope(body, Request, SUBJECT)


@given(payload=st.binary(max_size=300))
def test_an_arbitrary_signed_payload_raises_nothing_but_malformed(payload: bytes) -> None:
    kind = "application/vnd.glomar.request.v1+json"
    signature = signer(REQUESTER).sign(kind, payload)
    body = encode(Envelope(payload=payload, payload_type=kind, signatures=(signature,)))
    with pytest.raises(Malformed):
        open_envelope(body, Request, SUBJECT)


@given(payload_type=st.text(max_size=100), payload=st.binary(max_size=100))
def test_sign_and_verify_agree_on_any_payload(payload_type: str, payload: bytes) -> None:
    signature = signer(HOLDER).sign(payload_type, payload)
    envelope = Envelope(payload=payload, payload_type=payload_type, signatures=(signature,))
    assert signers(envelope, RING, NOW) == {HOLDER}


@pytest.mark.parametrize(
    "body",
    [
        seal_envelope(msgspec.structs.replace(REQUEST, subject=f"glomar.{CANARY}"), [signer(REQUESTER)]),
        seal_envelope(msgspec.structs.replace(REQUEST, ground=CANARY * 10), [signer(REQUESTER)]),
        BODY.replace(b"vnd.glomar.request", b"vnd." + CANARY.encode()),
        BODY.replace(b'"payloadType"', b'"%s"' % CANARY.encode()),
        BODY.replace(b'"keyid":"', b'"keyid":"' + CANARY.encode()),
    ],
)
def test_no_error_quotes_the_sender(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        accept(body)
    assert CANARY not in str(caught.value)


def test_a_request_with_the_largest_valid_fields_fits_into_one_message() -> None:
    wide = "😀" * 100
    sealed = msgspec.structs.replace(REQUEST.particulars, ciphertext=bytes(PARTICULARS_SIZES[-1] + 16))
    body = altered(
        particulars=sealed,
        authorised_by=wide,
        jurisdiction=wide,
        ground=wide,
        statute=wide,
        intended_use=wide,
        automated_analysis=wide,
        officer=type(REQUEST.officer)(id=wide, unit=wide),
        tax_periods=tuple(range(1950, 2000)),
        issued_at=NOW - timedelta(microseconds=1),
    )
    assert accept(body).particulars == sealed
    assert len(body) < MAX_MESSAGE_BYTES - 4096, "headers need room too"


def test_a_message_is_signed_whatever_its_fields_hold() -> None:
    """Constructors don't validate, so it is the reader who must: the trap behind `decode`."""
    nonsense: Message = msgspec.structs.replace(REQUEST, agency="NOT A TOKEN")
    body = seal_envelope(nonsense, [signer(REQUESTER)])
    decode(body, Envelope, what="envelope")
    with pytest.raises(Malformed):
        accept(body)
