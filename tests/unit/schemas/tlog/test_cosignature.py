"""Cosignatures: published keys, what is signed, and every way in which one is invalid."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_schemas.errors import Malformed, Untrusted
from glomar_schemas.tlog.note import (
    Checkpoint,
    VerifierKey,
    cosigned_at,
    format_vkey,
    parse_witness_vkey,
    sign,
    signed_message,
)

from tests.support.witness import NAME, cosign, format_witness_vkey

PUBLISHED = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
"""The key of a public witness, from the tests of transparency-dev/formats."""

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
KEY = parse_witness_vkey(format_witness_vkey(NAME, PRIVATE.public_key()))
NOTE = sign(Checkpoint("audit.example/a/1", 7, bytes(range(100, 132))), LOG)
AT = 1_679_315_147


def altered(line: str, position: int) -> str:
    """One bit after the key ID flipped."""
    mark, name, text = line.removesuffix("\n").split(" ")
    raw = bytearray(b64decode(text))
    raw[4 + position] ^= 1
    return f"{mark} {name} {b64encode(raw).decode()}\n"


def test_a_published_witness_key_is_read_and_written_back() -> None:
    key = parse_witness_vkey(PUBLISHED)
    assert (key.name, key.key_id.hex()) == ("remora.n621.de", "da77ade7")
    assert format_witness_vkey(key.name, key.public_key) == PUBLISHED


def test_a_logs_key_is_no_witness_key() -> None:
    with pytest.raises(Malformed, match="0x04"):
        parse_witness_vkey(format_vkey(NAME, PRIVATE.public_key()))


def test_what_is_signed_is_the_published_form() -> None:
    body = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert signed_message(body, AT) == b"cosignature/v1\ntime 1679315147\n" + body.encode()


def test_a_cosignature_tells_its_time() -> None:
    assert cosigned_at(NOTE + cosign(NOTE, PRIVATE, at=AT), KEY) == AT


def test_the_latest_of_several_counts() -> None:
    lines = "".join(cosign(NOTE, PRIVATE, at=AT + n) for n in (0, 2, 1))
    assert cosigned_at(NOTE + lines, KEY) == AT + 2


@pytest.mark.parametrize("other", ["name", "key", "none"])
def test_lines_of_others_are_not_counted(other: str) -> None:
    line = {
        "name": cosign(NOTE, PRIVATE, name="witness.example/w2"),
        "key": cosign(NOTE, Ed25519PrivateKey.generate()),
        "none": "",
    }[other]
    assert cosigned_at(NOTE + line, KEY) is None


@pytest.mark.parametrize("position", [0, 7, 8, 40, 71])
def test_a_changed_time_or_signature_is_refused(position: int) -> None:
    with pytest.raises(Untrusted):
        cosigned_at(NOTE + altered(cosign(NOTE, PRIVATE, at=AT), position), KEY)


def test_a_cosignature_of_another_checkpoint_is_refused() -> None:
    other = sign(Checkpoint("audit.example/a/1", 8, bytes(32)), LOG)
    with pytest.raises(Untrusted):
        cosigned_at(NOTE + cosign(other, PRIVATE), KEY)


def test_a_plain_signature_by_the_witness_is_no_cosignature() -> None:
    key = VerifierKey(KEY.name, KEY.key_id, KEY.public_key)
    plain = b64encode(KEY.key_id + PRIVATE.sign(NOTE.partition("\n\n")[0].encode() + b"\n")).decode()
    with pytest.raises(Untrusted):
        cosigned_at(f"{NOTE}— {NAME} {plain}\n", key)
