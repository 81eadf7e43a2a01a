"""Sealing: only the named reader, only for this message, and the length tells the bucket alone."""

import msgspec
import pytest
from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.crypto.sealing import (
    ANSWER_SIZES,
    PARTICULARS_SIZES,
    RELEASE_SIZES,
    TAGS_SIZES,
    Context,
    Opener,
    Sealer,
    associated_data,
    pad,
    unpad,
)
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.keys import key_id
from glomar_schemas.messages import Release, Sealed, Subject, encode
from glomar_schemas.subjects import MAX_MESSAGE_BYTES
from glomar_schemas.tlog import receipt as receipts
from hypothesis import given
from hypothesis import strategies as st

from tests.support.samples import (
    AGREEMENT,
    HOLDER,
    NOW,
    OTHER_ID,
    OVERSIGHT,
    PERSON,
    PLACEHOLDER,
    REQUEST_ID,
    REQUESTER,
    RING,
    TAGS,
    TO_AUDITOR,
    TO_HOLDER,
    opener,
    sealing_key,
    signer,
    verdict,
)

PLAINTEXT = encode(PERSON)


def sealer(context: Context = TO_HOLDER, party: str = HOLDER) -> Sealer:
    return Sealer(RING.sealing_key(party, NOW), context)


SEALED = sealer().seal("particulars", REQUEST_ID, PLAINTEXT, PARTICULARS_SIZES)


def refused(sealed: Sealed, context: Context = TO_HOLDER, request_id: str = REQUEST_ID) -> None:
    with pytest.raises(Malformed):
        opener(HOLDER).open(sealed, context, "particulars", request_id)


def test_the_named_reader_opens_what_was_sealed_to_it() -> None:
    assert opener(HOLDER).open(SEALED, TO_HOLDER, "particulars", REQUEST_ID) == PLAINTEXT


def test_a_sealed_part_survives_its_json() -> None:
    sealed = decode(encode(SEALED), Sealed, what="sealed")
    assert opener(HOLDER).open(sealed, TO_HOLDER, "particulars", REQUEST_ID) == PLAINTEXT


@pytest.mark.parametrize(
    "context",
    [
        Context("verdict", AGREEMENT, REQUESTER),
        Context("release", AGREEMENT, REQUESTER),
        Context("request", "other", REQUESTER),
        Context("request", AGREEMENT, "fbi"),
    ],
)
def test_sealing_is_bound_to_its_context(context: Context) -> None:
    refused(SEALED, context)


def test_sealing_is_bound_to_the_request() -> None:
    refused(SEALED, request_id=OTHER_ID)


def test_sealing_is_bound_to_its_part() -> None:
    sealed = sealer(TO_AUDITOR, OVERSIGHT).seal("tags", REQUEST_ID, encode(TAGS), TAGS_SIZES)
    with pytest.raises(Malformed):
        opener(OVERSIGHT).open(sealed, TO_AUDITOR, "answer", REQUEST_ID)


def test_sealing_stays_bound_after_the_batch_key_is_known() -> None:
    holder = opener(HOLDER)
    holder.open(SEALED, TO_HOLDER, "particulars", REQUEST_ID)
    for context, part, request_id in (
        (TO_AUDITOR, "particulars", REQUEST_ID),
        (TO_HOLDER, "answer", REQUEST_ID),
        (TO_HOLDER, "particulars", OTHER_ID),
    ):
        with pytest.raises(Malformed):
            holder.open(SEALED, context, part, request_id)  # type: ignore[arg-type]


def test_another_party_opens_nothing() -> None:
    with pytest.raises(Malformed, match="not held here"):
        opener(OVERSIGHT).open(SEALED, TO_HOLDER, "particulars", REQUEST_ID)


def test_another_private_key_under_the_same_id_opens_nothing() -> None:
    imposter = Opener({SEALED.key_id: sealing_key(OVERSIGHT)})
    with pytest.raises(Malformed, match="does not open"):
        imposter.open(SEALED, TO_HOLDER, "particulars", REQUEST_ID)


def test_whether_a_message_opens_does_not_depend_on_what_was_opened_before() -> None:
    own, other = sealing_key(HOLDER), sealing_key(REQUESTER)
    ids = [key_id(key.public_key()) for key in (own, other)]
    holder = Opener(dict(zip(ids, (own, other), strict=True)))
    holder.open(SEALED, TO_HOLDER, "particulars", REQUEST_ID)
    with pytest.raises(Malformed):
        holder.open(msgspec.structs.replace(SEALED, key_id=ids[1]), TO_HOLDER, "particulars", REQUEST_ID)


def test_a_key_that_was_destroyed_opens_nothing_more_even_if_it_was_used_before() -> None:
    keys = {SEALED.key_id: sealing_key(HOLDER)}
    holder = Opener(keys)
    holder.open(SEALED, TO_HOLDER, "particulars", REQUEST_ID)
    del keys[SEALED.key_id]
    with pytest.raises(Malformed, match="not held here"):
        holder.open(SEALED, TO_HOLDER, "particulars", REQUEST_ID)


@given(field=st.sampled_from(["wrap", "nonce", "ciphertext"]), data=st.data())
def test_one_altered_bit_is_refused(field: str, data: st.DataObject) -> None:
    content = bytearray(getattr(SEALED, field))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    refused(msgspec.structs.replace(SEALED, **{field: bytes(content)}))


@given(wrap=st.binary(min_size=113, max_size=113), ciphertext=st.binary(max_size=64))
def test_arbitrary_sealed_parts_raise_nothing_but_malformed(wrap: bytes, ciphertext: bytes) -> None:
    refused(msgspec.structs.replace(SEALED, wrap=wrap, ciphertext=ciphertext))
    refused(msgspec.structs.replace(SEALED, ciphertext=ciphertext))


def test_a_batch_shares_one_wrapped_key_and_no_nonce() -> None:
    batch = sealer()
    first, second = (
        batch.seal("particulars", i, PLAINTEXT, PARTICULARS_SIZES) for i in (REQUEST_ID, OTHER_ID)
    )
    assert first.wrap == second.wrap
    assert first.nonce != second.nonce
    assert opener(HOLDER).open(second, TO_HOLDER, "particulars", OTHER_ID) == PLAINTEXT


def test_the_same_plaintext_is_never_sealed_to_the_same_bytes() -> None:
    again = sealer().seal("particulars", REQUEST_ID, PLAINTEXT, PARTICULARS_SIZES)
    assert again.wrap != SEALED.wrap and again.ciphertext != SEALED.ciphertext


def test_more_batches_than_are_remembered_still_open() -> None:
    holder = opener(HOLDER)
    batches = [sealer().seal("particulars", REQUEST_ID, b"x", (16,)) for _ in range(260)]
    assert {holder.open(s, TO_HOLDER, "particulars", REQUEST_ID) for s in [*batches, batches[0]]} == {b"x"}


def test_an_ed25519_key_can_not_be_sealed_to() -> None:
    recipient = msgspec.structs.replace(RING.sealing_key(HOLDER, NOW), public=RING.ledger_keys(OVERSIGHT)[0])
    with pytest.raises(Misconfigured, match="P-256"):
        Sealer(recipient, TO_HOLDER)


def test_info_and_associated_data_are_as_published() -> None:
    assert TO_HOLDER.info() == b"glomar/v1 request irs-ice-2025 ice"
    assert associated_data("answer", REQUEST_ID) == b"answer " + REQUEST_ID.encode()


# Padding.


@given(plaintext=st.binary(max_size=TAGS_SIZES[-1] - 1))
def test_padding_comes_off_again(plaintext: bytes) -> None:
    assert unpad(pad(plaintext, TAGS_SIZES)) == plaintext


@given(plaintext=st.binary(max_size=40).map(lambda text: text + b"\x80\x00\x00"))
def test_a_plaintext_that_looks_like_padding_survives(plaintext: bytes) -> None:
    assert unpad(pad(plaintext, TAGS_SIZES)) == plaintext


@pytest.mark.parametrize("sizes", [PARTICULARS_SIZES, ANSWER_SIZES, TAGS_SIZES, RELEASE_SIZES])
def test_all_lengths_of_a_bucket_have_one_size(sizes: tuple[int, ...]) -> None:
    shortest = 0
    for size in sizes:
        for length in (shortest, (shortest + size) // 2, size - 1):
            assert len(pad(bytes(length), sizes)) == size
        shortest = size


def test_what_is_larger_than_the_largest_bucket_is_refused() -> None:
    with pytest.raises(Malformed, match="longer than 255 bytes"):
        pad(bytes(256), TAGS_SIZES)


def test_sealed_sizes_are_equal_inside_a_bucket() -> None:
    sizes = {
        len(encode(sealer(TO_AUDITOR, OVERSIGHT).seal("answer", REQUEST_ID, bytes(n), ANSWER_SIZES)))
        for n in (0, 1, 500, 1023)
    }
    assert len(sizes) == 1


@pytest.mark.parametrize("padded", [b"", b"\x00", bytes(256), b"abc", b"abc\x80\x01", b"\x80\x00x"])
def test_bad_padding_is_refused(padded: bytes) -> None:
    with pytest.raises(Malformed, match="padding"):
        unpad(padded)


def test_any_valid_subject_fits_into_the_largest_bucket() -> None:
    widest = "😀"
    largest = Subject(
        **{
            field.name: widest * {"reason": 2000, "street_name": 200}.get(field.name, 100)
            for field in msgspec.structs.fields(Subject)
            if field.default == ""
        },
        date_of_birth=PERSON.date_of_birth,
        final_order_date=PERSON.date_of_birth,
        court_order_date=PERSON.date_of_birth,
        relief_pending=False,
        wilfulness_attested=False,
    )
    encoded = encode(largest)
    assert decode(encoded, Subject, what="subject") == largest
    assert len(pad(encoded, PARTICULARS_SIZES)) == PARTICULARS_SIZES[-1]


def test_the_largest_answer_fits_into_a_release_that_fits_into_a_message() -> None:
    def of(size: int) -> Sealed:
        return msgspec.structs.replace(PLACEHOLDER, ciphertext=bytes(size + 16))

    checkpoint = "x" * 2000  # with the cosignatures of a dozen witnesses
    release = Release(
        request_id=REQUEST_ID,
        leaf=bytes(400),
        verdict=seal_envelope(verdict(b"", b"", of(ANSWER_SIZES[-1]), of(TAGS_SIZES[-1])), [signer(HOLDER)]),
        answer=bytes(ANSWER_SIZES[-1]),
        receipt=receipts.encode(receipts.Receipt(0, (bytes(32),) * 40, checkpoint)).encode(),
    )
    assert len(pad(encode(release), RELEASE_SIZES)) == RELEASE_SIZES[-1]
    assert len(encode(of(RELEASE_SIZES[-1]))) < MAX_MESSAGE_BYTES
