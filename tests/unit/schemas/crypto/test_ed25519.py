"""A signature is valid exactly where OpenSSL accepts it."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from glomar_schemas.crypto.ed25519 import is_valid
from hypothesis import given
from hypothesis import strategies as st

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Order of the group (RFC 8032, section 5.1): the second half of a signature must be below it."""


def openssl_says(public: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        public.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


@given(st.binary(max_size=500), st.none() | st.integers(0, 511), st.booleans())
def test_it_agrees_with_openssl(signed: bytes, flipped_bit: int | None, other_bytes: bool) -> None:
    signature = bytearray(KEY.sign(signed))
    if flipped_bit is not None:
        signature[flipped_bit // 8] ^= 1 << flipped_bit % 8
    seen = signed + b"." if other_bytes else signed

    expected = flipped_bit is None and not other_bytes
    assert is_valid(KEY.public_key(), bytes(signature), seen) is expected
    assert openssl_says(KEY.public_key(), bytes(signature), seen) is expected


def test_a_vector_of_the_rfc_holds() -> None:
    public = Ed25519PublicKey.from_public_bytes(
        bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    )
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )

    assert is_valid(public, signature, bytes.fromhex("af82"))


def test_another_key_did_not_sign() -> None:
    assert not is_valid(Ed25519PrivateKey.generate().public_key(), KEY.sign(b"text"), b"text")


@pytest.mark.parametrize("moved", [-64, -1, 1])
def test_the_border_between_signature_and_text_can_not_be_moved(moved: int) -> None:
    whole = KEY.sign(b"text") + b"text"

    assert not is_valid(KEY.public_key(), whole[: 64 + moved], whole[64 + moved :])


def test_a_signature_has_one_form() -> None:
    signature = KEY.sign(b"text")
    second = int.from_bytes(signature[32:], "little") + ORDER

    assert not is_valid(KEY.public_key(), signature[:32] + second.to_bytes(32, "little"), b"text")


def test_a_key_of_small_order_signs_nothing() -> None:
    """The neutral element as key and as commitment, with S = 0, would be valid for every text."""
    neutral = b"\x01" + bytes(31)

    assert not is_valid(Ed25519PublicKey.from_public_bytes(neutral), neutral + bytes(32), b"text")
