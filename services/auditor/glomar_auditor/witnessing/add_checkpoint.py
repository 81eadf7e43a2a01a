"""Asking a witness to cosign, as bytes: `POST <submission prefix>/add-checkpoint` of c2sp.org/tlog-witness.

Pure; called by witnesses. What a witness answers is believed only once its own key has signed it.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import msgspec
from glomar_schemas.errors import Refused
from glomar_schemas.tlog.cosignature import cosigned_at
from glomar_schemas.tlog.note import VerifierKey, decode_decimal

PATH: Final = "/add-checkpoint"

_REFUSALS: Final = {
    400: "it does not understand the request",
    403: "it does not trust the log's key",
    404: "it does not know the log",
    422: "the ledger is not an extension of the one that it cosigned",
}
_FORK: Final = 422


class Cosigned(msgspec.Struct, frozen=True):
    """The signature line, with its newline, and its time (s since 1970)."""

    line: str
    time: int


class Conflict(msgspec.Struct, frozen=True):
    """The size that the witness cosigned last; a proof has to start there."""

    size: int


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no cosignature. fork: the witness says that the log contradicts what it cosigned."""

    what: str
    fork: bool = False


def request_body(old_size: int, proof: Sequence[bytes], note: str) -> bytes:
    """The size that the witness has cosigned, the proof from there (hashes of 32 B), the checkpoint."""
    lines = [f"old {old_size}", *(b64encode(each).decode() for each in proof), "", note]
    return "\n".join(lines).encode()


def read_answer(status: int, body: bytes, note: str, key: VerifierKey) -> Cosigned | Conflict | Refusal:
    """What the witness with that key says of the checkpoint `note`, which has no other signature of it."""
    try:
        match status:
            case 200:
                return _cosigned(body.decode(), note, key)
            case 409:
                return Conflict(decode_decimal(body.decode().removesuffix("\n"), "size"))
    except (Refused, UnicodeDecodeError):
        return Refusal(f"its answer with status {status} is malformed, or not signed by its key")
    return Refusal(_REFUSALS.get(status, f"it answers with status {status}"), fork=status == _FORK)


def _cosigned(text: str, note: str, key: VerifierKey) -> Cosigned | Refusal:
    """Lines by other keys are left out, as the protocol asks. Raises Refused if its own does not hold."""
    for line in text.removesuffix("\n").split("\n"):
        time = cosigned_at(f"{note}{line}\n", key)
        if time is not None:
            return Cosigned(f"{line}\n", time)
    return Refusal("it answers without a cosignature by its key")
