"""What verdicts say, sealed again for the index (AES-SIV, RFC 5297). Called by the reader of messages.

The key is derived from the private key that opened the verdict. So a copy of the index tells nobody an
outcome, and once that private key is destroyed the index has forgotten it, too.
"""

from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from glomar_schemas.errors import IntegrityError, Malformed
from glomar_schemas.keyholder import Keyholder
from glomar_schemas.sealing import pad, unpad
from msgspec import Struct

OUTCOMES = ("confirm", "deny", "refused")

_PURPOSE = "glomar/v1 index"
_KEY_BYTES = 64
_SIZES = (256, 512, 1024, 4096, 16384)
"""Padded, so that the length of a cell does not tell a confirmation from a denial."""


class Outcome(Struct, frozen=True, array_like=True):
    """deny: after a lookup; refused: before any, under these conditions. The tags are the holder's HMACs."""

    outcome: Literal["confirm", "deny", "refused"]
    conditions: tuple[str, ...] = ()
    person: str = ""
    reason: str = ""
    case: str = ""


class Cells:
    """Seals and opens with what the oversight body's keys in force allow."""

    def __init__(self, keyholder: Keyholder) -> None:
        self._keyholder = keyholder
        self._ciphers: dict[str, AESSIV] = {}

    def held(self, key_id: str) -> bool:
        return self._cipher(key_id) is not None

    def seal(self, key_id: str, sequence: int, outcome: Outcome) -> bytes:
        """The same every time, so that a rebuilt index is the same. b"" if the key is not held."""
        cipher = self._cipher(key_id)
        if cipher is None:
            return b""
        return cipher.encrypt(pad(msgspec.msgpack.encode(outcome), _SIZES), [_place(sequence)])

    def open(self, key_id: str, sequence: int, cell: bytes) -> Outcome | None:
        """None: there is nothing, or the key is not held. Raises IntegrityError if the cell was changed."""
        cipher = self._cipher(key_id)
        if cipher is None or not cell:
            return None
        try:
            plaintext = unpad(cipher.decrypt(cell, [_place(sequence)]))
            return msgspec.msgpack.decode(plaintext, type=Outcome)
        except (InvalidTag, Malformed, msgspec.DecodeError):
            raise IntegrityError(
                f"what it holds of sequence {sequence} was changed",
                where="index",
                fix="Make it anew with: glomar-auditor rebuild-index",
            ) from None

    def _cipher(self, key_id: str) -> AESSIV | None:
        if not self._keyholder.holds(key_id):
            # Destroyed since, or never ours.
            self._ciphers.pop(key_id, None)
            return None
        if key_id not in self._ciphers:
            self._ciphers[key_id] = AESSIV(self._keyholder.derived(key_id, _PURPOSE, _KEY_BYTES))
        return self._ciphers[key_id]


def _place(sequence: int) -> bytes:
    return sequence.to_bytes(8, "big")
