"""Receipts: tlog-proof@v1 text, and a check that accepts one leaf, one key and one place."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_schemas.errors import GlomarError, IntegrityError, Malformed, Untrusted
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.note import Checkpoint, format_vkey, parse_vkey, sign
from glomar_schemas.tlog.receipt import Receipt, check, encode, parse
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.schemas.tlog.test_merkle import naive_path, naive_root

ORIGIN = "audit.example/agreement-1/1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = parse_vkey(format_vkey(ORIGIN, SIGNER.public_key()))
LOG = [Leaf(i + 1, i * 10**9, f"glomar.a.request.r.{i}", bytes([i]) * 32) for i in range(11)]
HASHES = [leaf_hash(leaves.encode(leaf)) for leaf in LOG]
CHECKPOINT = Checkpoint(ORIGIN, len(LOG), naive_root(HASHES))
NOTE = sign(CHECKPOINT, SIGNER)


def receipt_for(index: int) -> str:
    return encode(Receipt(index, tuple(naive_path(index, HASHES)), NOTE))


@pytest.mark.parametrize("index", range(len(LOG)))
def test_a_receipt_proves_its_leaf(index: int) -> None:
    assert check(receipt_for(index), LOG[index], KEY) == CHECKPOINT


def test_the_text_has_the_published_form() -> None:
    lines = encode(Receipt(3, (bytes(32), b"\xff" * 32), NOTE, b"more")).split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra bW9yZQ=="
    assert lines[2] == "index 3"
    assert lines[3:6] == ["A" * 43 + "=", "/" * 42 + "8=", ""]
    assert "\n".join(lines[6:]) == NOTE


@given(
    st.integers(0, 2**53),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.binary(max_size=40),
)
def test_what_is_written_is_read_back(index: int, proof: tuple[bytes, ...], extra: bytes) -> None:
    receipt = Receipt(index, proof, NOTE, extra)
    assert parse(encode(receipt)) == receipt


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("index 4", "index 04"),
        ("index 4", "index -4"),
        ("index 4", "index  4"),
        ("index 4", "index ４"),
        ("index 4", "index"),
        ("index 4\n", ""),
        ("index 4", "extra \nindex 4"),
        ("index 4", "extra !\nindex 4"),
        ("index 4", "index 4\nAAAA"),
        ("index 4", "index 4\n" + "A" * 42 + "B="),
        ("index 4", "index 4\nnot base64"),
        ("index 4", "index 4" + ("\n" + "A" * 43 + "=") * 64),
        ("\n\n", "\n"),
        ("\n", "\r\n"),
    ],
)
def test_a_text_of_another_form_is_malformed(old: str, new: str) -> None:
    assert old in receipt_for(4)
    with pytest.raises(Malformed):
        check(receipt_for(4).replace(old, new), LOG[4], KEY)


def test_a_receipt_for_another_sequence_is_refused() -> None:
    with pytest.raises(IntegrityError, match="another stream sequence"):
        check(receipt_for(4), LOG[5], KEY)


def test_a_receipt_whose_index_was_renamed_is_refused() -> None:
    with pytest.raises(IntegrityError, match="signed root"):
        check(receipt_for(4).replace("index 4", "index 5"), LOG[5], KEY)


@pytest.mark.parametrize(
    "change", [{"time_ns": 1}, {"subject": "glomar.a.request.r.5"}, {"body_sha256": bytes(32)}]
)
def test_a_receipt_for_other_content_is_refused(change: dict[str, int | str | bytes]) -> None:
    with pytest.raises(IntegrityError, match="signed root"):
        check(receipt_for(4), msgspec.structs.replace(LOG[4], **change), KEY)


def test_a_receipt_signed_by_another_key_is_untrusted() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    text = encode(Receipt(4, tuple(naive_path(4, HASHES)), sign(CHECKPOINT, other)))
    with pytest.raises(Untrusted):
        check(text, LOG[4], KEY)


def test_a_receipt_beyond_the_signed_size_is_refused() -> None:
    beyond = Leaf(12, 0, "glomar.a.request.r.11", bytes(32))
    with pytest.raises(IntegrityError, match="outside the tree"):
        check(encode(Receipt(11, (), NOTE)), beyond, KEY)


@given(st.integers(0, len(receipt_for(4)) - 1), st.characters())
def test_no_receipt_with_one_character_changed_is_accepted(place: int, character: str) -> None:
    original = receipt_for(4)
    text = original[:place] + character + original[place + 1 :]
    if text != original:
        with pytest.raises(GlomarError):
            check(text, LOG[4], KEY)


def test_extra_data_changes_nothing_about_what_is_proved() -> None:
    text = receipts.encode(msgspec.structs.replace(parse(receipt_for(4)), extra=b"anything"))
    assert check(text, LOG[4], KEY) == CHECKPOINT
