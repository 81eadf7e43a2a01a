"""Request and response of `POST <submission prefix>/add-checkpoint` (c2sp.org/tlog-witness). Pure.

A cosignature counts only if the witness's own key signed it.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import msgspec
from glomar_schemas.errors import Refused
from glomar_schemas.tlog.note import VerifierKey, cosigned_at, decode_decimal

PATH: Final = "/add-checkpoint"

_REFUSALS: Final = {
    400: "it does not understand the request",
    403: "it does not trust the log's key",
    404: "it does not know the log",
    422: "the ledger is not an extension of the one that it cosigned",
}
_FORK: Final = 422


class CosignatureLine(msgspec.Struct, frozen=True):
    """line: the signature line, with its newline; time: s since 1970."""

    line: str
    time: int


class SizeConflict(msgspec.Struct, frozen=True):
    """size: that the witness cosigned last; the proof must start there."""

    size: int


class NotCosigned(msgspec.Struct, frozen=True):
    """what: why there is no cosignature; fork: by the witness, the log contradicts what it cosigned."""

    what: str
    fork: bool = False


def request_body(old_size: int, proof: Sequence[bytes], note: str) -> bytes:
    """old_size: that the witness cosigned last; proof: from there, hashes of 32 B; note: the checkpoint."""
    lines = [f"old {old_size}", *(b64encode(each).decode() for each in proof), "", note]
    return "\n".join(lines).encode()


def read_response(
    status: int, body: bytes, note: str, key: VerifierKey
) -> CosignatureLine | SizeConflict | NotCosigned:
    """The response of the witness with that key to the checkpoint `note`, which it has not signed before."""
    try:
        match status:
            case 200:
                return _cosigned(body.decode(), note, key)
            case 409:
                return SizeConflict(decode_decimal(body.decode().removesuffix("\n"), "size"))
    except (Refused, UnicodeDecodeError):
        return NotCosigned(f"its answer with status {status} is malformed, or not signed by its key")
    return NotCosigned(_REFUSALS.get(status, f"it answers with status {status}"), fork=status == _FORK)


def _cosigned(text: str, note: str, key: VerifierKey) -> CosignatureLine | NotCosigned:
    """Lines by other keys are ignored, as the protocol says. Raises Refused if its own line is not valid."""
    for line in text.removesuffix("\n").split("\n"):
        time = cosigned_at(f"{note}{line}\n", key)
        if time is not None:
            return CosignatureLine(f"{line}\n", time)
    return NotCosigned("it answers without a cosignature by its key")
