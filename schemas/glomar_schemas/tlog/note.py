"""Signed checkpoints: size and root of a log, signed with its key, as C2SP signed notes; witnesses add
cosignature/v1 lines, each with its time.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature.
"""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from glomar_schemas.crypto import ed25519
from glomar_schemas.errors import Malformed, Untrusted
from glomar_schemas.tlog.merkle import HASH_BYTES

ALG_ED25519: Final = 0x01
ALG_COSIGNATURE: Final = 0x04
MAX_NOTE_CHARS: Final = 1_000_000
MAX_SIGNATURES: Final = 100

_KEY_ID_BYTES: Final = 4
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)
_COSIGNATURE_BYTES: Final = 8 + 64
_MAX_TIME: Final = 2**63 - 1


class Checkpoint(msgspec.Struct, frozen=True):
    """A tree head: the log's name, its number of leaves, and its RFC 9162 root (32 B)."""

    origin: str
    size: int
    root: bytes


class VerifierKey(msgspec.Struct, frozen=True):
    """A parsed vkey: key name (for a log: its origin), key ID (4 B), Ed25519 public key."""

    name: str
    key_id: bytes
    public_key: Ed25519PublicKey


def format_vkey(name: str, public_key: Ed25519PublicKey, alg: int = ALG_ED25519) -> str:
    """`name+hex(key ID)+base64(alg ‖ public key)`, without newline. Raises Malformed for a bad name."""
    encoded = bytes([alg]) + public_key.public_bytes_raw()
    return f"{_checked_name(name)}+{_key_id(name, encoded).hex()}+{b64encode(encoded).decode()}"


def parse_vkey(text: str, alg: int = ALG_ED25519) -> VerifierKey:
    """Reads a vkey of that algorithm, with or without one final newline. Raises Malformed for any other."""
    parts = text.removesuffix("\n").split("+", 2)
    if len(parts) != 3:
        raise Malformed("not of the form name+keyid+key", where="vkey")
    name, key_id_hex, encoded = _checked_name(parts[0]), parts[1], decode_base64(parts[2], "vkey")
    if len(encoded) != 33 or encoded[0] != alg:
        raise Malformed(f"not an Ed25519 key (algorithm 0x{alg:02x}, 32 bytes)", where="vkey")
    key_id = _key_id(name, encoded)
    if key_id_hex != key_id.hex():
        raise Malformed(
            "key ID and key do not belong together", where="vkey", fix="Copy log.vkey again, whole"
        )
    return VerifierKey(name, key_id, Ed25519PublicKey.from_public_bytes(encoded[1:]))


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The checkpoint as a note signed with `key` under the key name `checkpoint.origin`.

    Never sign two checkpoints that are not consistent: first make the leaves durable, in order.
    """
    name = _checked_name(checkpoint.origin)
    body = f"{name}\n{checkpoint.size}\n{b64encode(checkpoint.root).decode()}\n"
    key_id = _key_id(name, bytes([ALG_ED25519]) + key.public_key().public_bytes_raw())
    signature = b64encode(key_id + key.sign(body.encode())).decode()
    return f"{body}\n— {name} {signature}\n"


def open_checkpoint(text: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint in the note `text`, if `key` has signed it and its origin is `key.name`.

    Signatures by other keys (witnesses) are ignored. Extension lines are refused: this log has none.
    Raises Malformed for the form, Untrusted for signature or origin. Read files as bytes and decode them:
    text mode turns carriage returns into newlines and would hide a changed byte.
    """
    body, signatures = split_note(text)
    known = [signature for name, key_id, signature in signatures if (name, key_id) == (key.name, key.key_id)]
    if not known:
        raise Untrusted(
            "no signature by the log's key", where="checkpoint", fix="Compare the key with log.vkey"
        )
    for signature in known:
        if not ed25519.is_valid(key.public_key, signature, body.encode()):
            raise Untrusted("the log's signature does not fit the text", where="checkpoint")
    return _parse_body(body, key.name)


def split_note(text: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The signed text, and each (key name, key ID, signature) of the note, unchecked. Raises Malformed."""
    _check_characters(text)
    body, blank, tail = text.rpartition("\n\n")
    lines = tail.split("\n")
    if not blank or lines.pop() != "" or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise Malformed("not a text, an empty line and signature lines", where="checkpoint")
    return body + "\n", [_parse_signature(line) for line in lines]


def decode_base64(text: str, where: str) -> bytes:
    """Canonical RFC 4648 §4 base64 -> bytes. Raises Malformed for anything that encodes back differently."""
    try:
        raw = b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise Malformed("not base64", where=where) from error
    if b64encode(raw).decode() != text:
        raise Malformed("not canonical base64", where=where)
    return raw


def decode_decimal(text: str, where: str) -> int:
    """ASCII decimal without sign or leading zeros -> int below 2**63. Raises Malformed."""
    if not _DECIMAL.match(text) or (number := int(text)) >= 2**63:
        raise Malformed("not a decimal number without leading zeros", where=where)
    return number


def _check_characters(text: str) -> None:
    if len(text) > MAX_NOTE_CHARS:
        raise Malformed(f"longer than {MAX_NOTE_CHARS} characters", where="checkpoint")
    if _CONTROL.search(text):
        raise Malformed("control character", where="checkpoint")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Malformed("not UTF-8", where="checkpoint") from error


def _parse_signature(line: str) -> tuple[str, bytes, bytes]:
    fields = line.split(" ")
    if len(fields) != 3 or fields[0] != "—":
        raise Malformed("not of the form «— name signature»", where="checkpoint signature")
    raw = decode_base64(fields[2], "checkpoint signature")
    if len(raw) <= _KEY_ID_BYTES:
        raise Malformed("shorter than a key ID", where="checkpoint signature")
    return _checked_name(fields[1]), raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:]


def _parse_body(body: str, origin: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) != 4:
        raise Malformed("not exactly origin, size and root", where="checkpoint")
    if lines[0] != origin:
        raise Untrusted(
            "it belongs to another log", where="checkpoint", fix="Compare the origin with log.vkey"
        )
    root = decode_base64(lines[2], "checkpoint root")
    if len(root) != HASH_BYTES:
        raise Malformed("not 32 bytes", where="checkpoint root")
    return Checkpoint(origin, decode_decimal(lines[1], "checkpoint size"), root)


def _checked_name(name: str) -> str:
    if not name or any(c.isspace() or c < " " or c == "+" or "\ud800" <= c <= "\udfff" for c in name):
        raise Malformed("empty, or with a space, plus, control character or surrogate", where="key name")
    return name


def _key_id(name: str, encoded_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + encoded_key).digest()[:_KEY_ID_BYTES]


def parse_witness_vkey(text: str) -> VerifierKey:
    """Reads a witness's vkey. Raises Malformed for any algorithm but 0x04 (Ed25519 cosignature/v1)."""
    return parse_vkey(text, ALG_COSIGNATURE)


def signed_message(body: str, time: int) -> bytes:
    """The bytes that a witness signs at `time` (s since 1970): two header lines and the checkpoint's text."""
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def cosigned_at(note: str, witness: VerifierKey) -> int | None:
    """When the witness cosigned the checkpoint `note` (s since 1970, the latest time); None if it did not.

    Raises Malformed for the form, Untrusted if a line by its key is not valid: c2sp.org/signed-note requires
    that the whole note is refused then.
    """
    body, signatures = split_note(note)
    times = [
        _checked_time(body, signature, witness)
        for name, key_id, signature in signatures
        if (name, key_id) == (witness.name, witness.key_id)
    ]
    return max(times, default=None)


def _checked_time(body: str, signature: bytes, witness: VerifierKey) -> int:
    time = int.from_bytes(signature[:8], "big")
    if (
        len(signature) != _COSIGNATURE_BYTES
        or time > _MAX_TIME
        or not ed25519.is_valid(witness.public_key, signature[8:], signed_message(body, time))
    ):
        raise Untrusted("a witness's cosignature does not fit the text", where="checkpoint")
    return time
