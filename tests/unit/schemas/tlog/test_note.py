"""Signed notes and checkpoints: published keys and signatures, round trips, and every refusal."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_schemas.errors import Malformed, Refused, Untrusted
from glomar_schemas.tlog.note import Checkpoint, format_vkey, open_checkpoint, parse_vkey, sign
from hypothesis import given
from hypothesis import strategies as st

ORIGIN = "audit.example/agreement-1/1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = parse_vkey(format_vkey(ORIGIN, SIGNER.public_key()))
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(100, 132)))
NOTE = sign(CHECKPOINT, SIGNER)
WITNESS_LINE = sign(Checkpoint("witness.example", 7, bytes(32)), SIGNER).split("\n")[-2] + "\n"

GO_NOTE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def signed(body: str, name: str = ORIGIN) -> str:
    """A note over any text, correctly signed by the log's key."""
    key_line = sign(Checkpoint(name, 0, bytes(32)), SIGNER).split("\n")[-2]
    key_id = b64decode(key_line.split(" ")[2])[:4]
    return f"{body}\n— {name} {b64encode(key_id + SIGNER.sign(body.encode())).decode()}\n"


@pytest.mark.parametrize("text", [GO_NOTE_KEY, GO_SUMDB_KEY])
def test_published_go_keys_are_read_and_written_back(text: str) -> None:
    key = parse_vkey(text)
    assert format_vkey(key.name, key.public_key) == text
    assert parse_vkey(text + "\n").key_id == key.key_id


def test_the_signature_of_gos_example_note_fits_its_key() -> None:
    text = (
        b"If you think cryptography is the answer to your problem,\n"
        b"then you don't know what your problem is.\n"
    )
    raw = b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    key = parse_vkey(GO_NOTE_KEY)
    assert raw[:4] == key.key_id
    key.public_key.verify(raw[4:], text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        GO_NOTE_KEY.replace("c74f20a3", "c74f20a4"),
        GO_NOTE_KEY.replace("c74f20a3", "C74F20A3"),
        GO_NOTE_KEY.replace("Peter", "peter"),
        GO_NOTE_KEY.replace("+ARpc", "+BBpc"),
        GO_NOTE_KEY + "\n\n",
        GO_NOTE_KEY[:-4],
        "two words" + GO_NOTE_KEY[12:],
        "\ud800" + GO_NOTE_KEY[12:],
        GO_NOTE_KEY[12:],
    ],
)
def test_a_damaged_key_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_vkey(text)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_what_was_signed_opens_to_the_same_checkpoint(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert open_checkpoint(sign(checkpoint, SIGNER), KEY) == checkpoint


def test_the_note_has_the_published_form() -> None:
    lines = NOTE.split("\n")
    assert lines[:4] == [ORIGIN, "7", "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=", ""]
    assert lines[4].startswith(f"— {ORIGIN} ") and lines[5:] == [""]


def test_signature_lines_of_unknown_keys_are_ignored() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    same_name = sign(Checkpoint(ORIGIN, 7, bytes(32)), other).split("\n")[-2] + "\n"
    for text in (NOTE + WITNESS_LINE, NOTE.replace("\n\n", "\n\n" + WITNESS_LINE), NOTE + same_name):
        assert open_checkpoint(text, KEY) == CHECKPOINT


def test_a_note_that_only_others_signed_is_untrusted() -> None:
    body = NOTE.partition("\n\n")[0]
    with pytest.raises(Untrusted, match="no signature"):
        open_checkpoint(f"{body}\n\n{WITNESS_LINE}", KEY)


def test_a_second_signature_by_the_log_that_does_not_fit_spoils_the_note() -> None:
    stale = sign(Checkpoint(ORIGIN, 6, bytes(32)), SIGNER).split("\n")[-2] + "\n"
    with pytest.raises(Untrusted, match="does not fit"):
        open_checkpoint(NOTE + stale, KEY)


def test_a_checkpoint_of_another_log_is_untrusted_though_the_key_signed_it() -> None:
    body = NOTE.partition("\n\n")[0].replace(ORIGIN, "audit.example/agreement-2/1") + "\n"
    with pytest.raises(Untrusted, match="another log"):
        open_checkpoint(signed(body), KEY)


@pytest.mark.parametrize(
    "body",
    [
        f"{ORIGIN}\n07\n{'A' * 43}=\n",
        f"{ORIGIN}\n+7\n{'A' * 43}=\n",
        f"{ORIGIN}\n-7\n{'A' * 43}=\n",
        f"{ORIGIN}\n٧\n{'A' * 43}=\n",
        f"{ORIGIN}\n\n{'A' * 43}=\n",
        f"{ORIGIN}\n{2**63}\n{'A' * 43}=\n",
        f"{ORIGIN}\n7\n{'A' * 42}B=\n",
        f"{ORIGIN}\n7\n{'A' * 42}==\n",
        f"{ORIGIN}\n7\n{'A' * 40}\n",
        f"{ORIGIN}\n7\n{'A' * 43}=\nextension\n",
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n7\r\n{'A' * 43}=\n",
        f"{ORIGIN}\n7\t\n{'A' * 43}=\n",
    ],
)
def test_a_malformed_text_is_refused_though_the_key_signed_it(body: str) -> None:
    with pytest.raises(Malformed):
        open_checkpoint(signed(body), KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—  "),
        NOTE + "— witness.example AAAA\n",
        NOTE + "— witness+example AAAAAAAA\n",
        NOTE + "— witness.example\n",
        NOTE.partition("\n\n")[0] + "\n\n",
        NOTE + "\ud800",
        NOTE + WITNESS_LINE * 100,
        NOTE + "A" * 1_000_000,
    ],
)
def test_a_text_that_is_no_signed_note_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        open_checkpoint(text, KEY)


@given(st.integers(0, len(NOTE) - 1), st.characters(), st.sampled_from(["replace", "insert", "delete"]))
def test_no_edit_of_one_character_survives(place: int, character: str, edit: str) -> None:
    rest = place if edit == "insert" else place + 1
    text = NOTE[:place] + ("" if edit == "delete" else character) + NOTE[rest:]
    if text != NOTE:
        with pytest.raises(Refused):
            open_checkpoint(text, KEY)


def test_nothing_is_signed_under_a_name_that_no_reader_accepts() -> None:
    for origin in ("", "two words", "a+b", "line\nbreak"):
        with pytest.raises(Malformed):
            sign(Checkpoint(origin, 0, bytes(32)), SIGNER)
