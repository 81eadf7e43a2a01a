"""Leaves: canonical bytes equal to those of an independent RFC 8785 implementation; others are refused."""

from datetime import datetime, timedelta

import pytest
import rfc8785
from glomar_schemas.errors import Malformed
from glomar_schemas.tlog.leaf import MAX_LEAF_BYTES, Gap, Leaf, decode, decode_entry, encode, is_gap
from hypothesis import given
from hypothesis import strategies as st

EXAMPLE = Leaf(7, 1_744_000_000_000_000_001, "glomar.a.request.r.1", bytes(range(32)))
EXAMPLE_BYTES = (
    b'{"body_sha256":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",'
    b'"seq":7,"subject":"glomar.a.request.r.1","time":"2025-04-07T04:26:40.000000001Z"}'
)
YEAR_10000_S = 253_402_300_800
leaves = st.builds(
    Leaf,
    sequence=st.integers(1, 2**53 - 1),
    time_ns=st.integers(-62_135_596_800 * 10**9, YEAR_10000_S * 10**9 - 1),
    subject=st.text(st.characters(exclude_categories=["Cs"])),
    body_sha256=st.binary(min_size=32, max_size=32),
)


def test_a_leaf_has_the_documented_bytes() -> None:
    assert encode(EXAMPLE) == EXAMPLE_BYTES
    assert decode(EXAMPLE_BYTES) == EXAMPLE


@given(leaves)
def test_the_bytes_equal_those_of_an_independent_rfc_8785_implementation(leaf: Leaf) -> None:
    seconds, nanoseconds = divmod(leaf.time_ns, 10**9)
    moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    plain: dict[str, int | str] = {
        "time": f"{moment.isoformat()}.{nanoseconds:09d}Z",
        "subject": leaf.subject,
        "seq": leaf.sequence,
        "body_sha256": leaf.body_sha256.hex(),
    }
    assert encode(leaf) == rfc8785.dumps(plain)


def test_every_control_character_and_escape_is_written_as_rfc_8785_wants() -> None:
    subject = "".join(map(chr, range(0x100))) + '\u2028\u2029\ufeff\uffff\U0001f600\U0010ffff\\/"'
    plain: dict[str, int | str] = {
        "body_sha256": "00" * 32,
        "seq": 1,
        "subject": subject,
        "time": "1970-01-01T00:00:00.000000000Z",
    }
    assert encode(Leaf(1, 0, subject, bytes(32))) == rfc8785.dumps(plain)


@given(st.integers(1, 2**53 - 1))
def test_a_gap_is_canonical_and_follows_from_its_sequence_alone(sequence: int) -> None:
    gap = Gap(sequence)
    assert encode(gap) == rfc8785.dumps({"seq": sequence, "gap": True})
    assert decode_entry(encode(gap)) == gap
    assert is_gap(encode(gap)) and not is_gap(EXAMPLE_BYTES)


@pytest.mark.parametrize(
    "data",
    [
        b'{"gap":false,"seq":7}',
        b'{"gap":true,"seq":0}',
        b'{"gap":true,"seq":07}',
        b'{"gap":true,"seq":7.0}',
        b'{"gap":true,"seq":9007199254740992}',
        b'{"gap":true,"seq":7} ',
        b'{"gap":true, "seq":7}',
        b'{"gap":true,"seq":7,"time":"1970-01-01T00:00:00.000000000Z"}',
        b'{"gap":true,"gap":true,"seq":7}',
        b'{"seq":7,"gap":true}',
        b'{"gap":true}',
        b'{"gap":',
    ],
)
def test_nothing_but_the_canonical_bytes_is_read_as_a_gap(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_entry(data)


def test_a_gap_is_never_taken_for_a_message() -> None:
    with pytest.raises(Malformed):
        decode(encode(Gap(7)))
    assert decode_entry(EXAMPLE_BYTES) == EXAMPLE


@given(leaves)
def test_decoding_gives_the_leaf_back(leaf: Leaf) -> None:
    assert decode(encode(leaf)) == leaf


@given(st.binary() | st.text().map(str.encode))
def test_whatever_decodes_is_canonical(data: bytes) -> None:
    try:
        leaf = decode(data)
    except Malformed:
        return
    assert encode(leaf) == data


@given(st.integers(0, len(EXAMPLE_BYTES) - 1), st.integers(1, 255))
def test_a_changed_byte_never_decodes_to_the_same_leaf(place: int, mask: int) -> None:
    data = bytearray(EXAMPLE_BYTES)
    data[place] ^= mask
    try:
        leaf = decode(bytes(data))
    except Malformed:
        return
    assert leaf != EXAMPLE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seq":7', b'"seq": 7'),
        (b'"seq":7', b'"seq":7.0'),
        (b'"seq":7', b'"seq":07'),
        (b'"seq":7', b'"seq":0'),
        (b'"seq":7', b'"seq":-7'),
        (b'"seq":7', b'"seq":9007199254740992'),
        (b'"seq":7', b'"seq":' + b"9" * 5000),
        (b'"seq":7', b'"seq":"7"'),
        (b'"seq":7', b'"seq":true'),
        (b'"seq":7', b'"seq":6,"seq":7'),
        (b'"seq":7,', b""),
        (b'"seq":7', b'"seq":7,"extra":1'),
        (b"0a0b", b"0A0B"),
        (b"0a0b", b"0a 0b"),
        (b"0a0b", b"0a0g"),
        (b"0a0b", b"0a"),
        (b"glomar", b"\\u0067lomar"),
        (b"glomar", b"\\ud800"),
        (b"glomar", b"\xff"),
        (b".000000001Z", b".00000001Z"),
        (b".000000001Z", b".000000001z"),
        (b".000000001Z", b".000000001Z\\n"),
        (b".000000001Z", b"Z"),
        (b"2025-04-07", b"2025-02-30"),
        (b"2025-04-07", b"0000-04-07"),
        (b"04:26:40", b"24:00:00"),
        (b"04:26:40", b"04:26:60"),
        (b"{", b"["),
        (b"{", b"[" * 100_000),
        (b"}", b"}\n"),
    ],
)
def test_every_form_except_the_canonical_one_is_refused(old: bytes, new: bytes) -> None:
    assert old in EXAMPLE_BYTES
    with pytest.raises(Malformed):
        decode(EXAMPLE_BYTES.replace(old, new, 1))


@pytest.mark.parametrize(
    "leaf",
    [
        Leaf(0, 0, "a", bytes(32)),
        Leaf(2**53, 0, "a", bytes(32)),
        Leaf(1, YEAR_10000_S * 10**9, "a", bytes(32)),
        Leaf(1, 10**40, "a", bytes(32)),
        Leaf(1, 0, "\ud800", bytes(32)),
        Leaf(1, 0, "a", bytes(31)),
        Leaf(1, 0, "a" * MAX_LEAF_BYTES, bytes(32)),
    ],
)
def test_a_leaf_outside_its_range_is_not_encoded(leaf: Leaf) -> None:
    with pytest.raises(Malformed):
        encode(leaf)
