"""Two checkpoints of one log that can't both be true, in a file that anybody can check.

Written by monitor; checked by `glomar-auditor evidence`, and by hand with any RFC 9162 library.
"""

from base64 import b64encode
from pathlib import Path
from typing import Literal

import msgspec
from glomar_schemas.errors import IntegrityError, Malformed, Misconfigured, Untrusted
from glomar_schemas.tlog.client import PublishedLog
from glomar_schemas.tlog.merkle import verify_consistency
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, decode_base64, format_vkey, open_checkpoint

_WHERE = "evidence"


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """JSON. older, newer: the notes, as `vkey` signed them; older is the one that was seen first.

    Of a fork between two sizes, beginning is the root over the first entries of the newer log, as many as the
    older one has, and proof the RFC 9162 consistency proof from it to the newer root (base64, 32 B each).
    """

    fault: Literal["fork", "rollback"]
    vkey: str
    older: str
    newer: str
    beginning: str = ""
    proof: tuple[str, ...] = ()
    version: Literal[1] = 1


def of_fork(key: VerifierKey, older: str, before: Checkpoint, log: PublishedLog) -> Evidence:
    """From the newer log's own files."""
    vkey = format_vkey(key.name, key.public_key)
    if before.size == log.size:
        return Evidence("fork", vkey, older, log.note)
    root, proof = log.beginning(before.size)
    return Evidence("fork", vkey, older, log.note, _base64(root), tuple(map(_base64, proof)))


def of_rollback(key: VerifierKey, older: str, log: PublishedLog) -> Evidence:
    return Evidence("rollback", format_vkey(key.name, key.public_key), older, log.note)


def encode(evidence: Evidence) -> bytes:
    return msgspec.json.format(msgspec.json.encode(evidence)) + b"\n"


def read(path: Path) -> Evidence:
    """Raises Misconfigured, Malformed."""
    try:
        # Not the contract's decoder, which refuses the notes' line ends. Nothing here is believed anyway but
        # what the log's key signed.
        return msgspec.json.decode(path.read_bytes(), type=Evidence)
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("not what a monitor writes as evidence", where=str(path)) from None


def check(evidence: Evidence, key: VerifierKey) -> tuple[Checkpoint, Checkpoint]:
    """The two checkpoints, older and newer, once it is certain that `key` signed both and that they conflict.

    Raises Malformed, Untrusted.
    """
    older, newer = (open_checkpoint(note, key) for note in (evidence.older, evidence.newer))
    if evidence.fault == "rollback":
        conflict = newer.size < older.size
    elif older.size == newer.size:
        conflict = older.root != newer.root
    else:
        conflict = _rewritten(evidence, older, newer)
    if not conflict:
        raise Untrusted("the two checkpoints don't conflict", where=_WHERE)
    return older, newer


def _rewritten(evidence: Evidence, older: Checkpoint, newer: Checkpoint) -> bool:
    root = decode_base64(evidence.beginning, _WHERE)
    proof = [decode_base64(each, _WHERE) for each in evidence.proof]
    try:
        verify_consistency(older.size, root, newer.size, newer.root, proof)
    except IntegrityError:
        raise Untrusted("its proof does not lead to the newer root", where=_WHERE) from None
    return root != older.root


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
