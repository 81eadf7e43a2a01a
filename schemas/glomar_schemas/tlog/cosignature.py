"""What witnesses say of a checkpoint: cosignature/v1 lines below it, each with its time.

Called by policy, which counts them, and by the auditor, which collects them.
Format: c2sp.org/tlog-cosignature.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from glomar_schemas.crypto import ed25519
from glomar_schemas.errors import Untrusted
from glomar_schemas.tlog.note import VerifierKey, format_vkey, parse_vkey, split_note

ALG_COSIGNATURE: Final = 0x04
SIGNATURE_BYTES: Final = 8 + 64
MAX_TIME: Final = 2**63 - 1


def format_witness_vkey(name: str, public_key: Ed25519PublicKey) -> str:
    """`name+hex(key ID)+base64(0x04 ‖ public key)`. Raises Malformed for a bad name."""
    return format_vkey(name, public_key, ALG_COSIGNATURE)


def parse_witness_vkey(text: str) -> VerifierKey:
    """Read a witness's vkey. Raises Malformed; only alg 0x04 (Ed25519 cosignature/v1) is known."""
    return parse_vkey(text, ALG_COSIGNATURE)


def signed_message(body: str, time: int) -> bytes:
    """What a witness signs at `time` (s since 1970): two header lines and the checkpoint's signed text."""
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def cosigned_at(note: str, witness: VerifierKey) -> int | None:
    """When the witness cosigned the checkpoint `note` (s since 1970, the latest time); None if it did not.

    Raises Malformed for the form, Untrusted if a line by its key does not hold: c2sp.org/signed-note has such
    a note refused as a whole.
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
        len(signature) != SIGNATURE_BYTES
        or time > MAX_TIME
        or not ed25519.holds(witness.public_key, signature[8:], signed_message(body, time))
    ):
        raise Untrusted("a witness's cosignature does not fit the text", where="checkpoint")
    return time
