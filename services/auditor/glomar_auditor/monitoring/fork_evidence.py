"""Evidence file: two checkpoints of one log that contradict each other.

Anybody can check it, with `glomar-auditor evidence` or with any RFC 9162 library.
"""

from base64 import b64encode
from pathlib import Path
from typing import Literal

import msgspec
from glomar_schemas import files
from glomar_schemas.errors import IntegrityError, Malformed, Untrusted
from glomar_schemas.tlog.client import PublishedLog
from glomar_schemas.tlog.merkle import verify_consistency
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, decode_base64, format_vkey, open_checkpoint

_WHERE = "evidence"


class ForkEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """JSON. older, newer: the notes, as `vkey` signed them; older is the one that was seen first.

    For a fork between two sizes: beginning is the root over the newer log's first entries, as many as the
    older log has; proof is the RFC 9162 consistency proof from it to the newer root (base64, 32 B each).
    """

    fault: Literal["fork", "rollback"]
    vkey: str
    older: str
    newer: str
    beginning: str = ""
    proof: tuple[str, ...] = ()
    version: Literal[1] = 1


def of_fork(key: VerifierKey, older: str, before: Checkpoint, log: PublishedLog) -> ForkEvidence:
    """Root and proof come from the newer log's own files."""
    vkey = format_vkey(key.name, key.public_key)
    if before.size == log.size:
        return ForkEvidence("fork", vkey, older, log.note)
    root, proof = log.beginning(before.size)
    return ForkEvidence("fork", vkey, older, log.note, _base64(root), tuple(map(_base64, proof)))


def of_rollback(key: VerifierKey, older: str, log: PublishedLog) -> ForkEvidence:
    return ForkEvidence("rollback", format_vkey(key.name, key.public_key), older, log.note)


def encode(evidence: ForkEvidence) -> bytes:
    return msgspec.json.format(msgspec.json.encode(evidence)) + b"\n"


def read(path: Path) -> ForkEvidence:
    """Raises Misconfigured, Malformed."""
    try:
        # Not glomar_schemas.decoding, which refuses the line ends in notes. Only what the log's key signed
        # is trusted here.
        return msgspec.json.decode(files.read(path), type=ForkEvidence)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("not an evidence file of a monitor", where=str(path)) from None


def check(evidence: ForkEvidence, key: VerifierKey) -> tuple[Checkpoint, Checkpoint]:
    """Proves that `key` signed both checkpoints and that they conflict -> (older, newer).

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


def _rewritten(evidence: ForkEvidence, older: Checkpoint, newer: Checkpoint) -> bool:
    root = decode_base64(evidence.beginning, _WHERE)
    proof = [decode_base64(each, _WHERE) for each in evidence.proof]
    try:
        verify_consistency(older.size, root, newer.size, newer.root, proof)
    except IntegrityError:
        raise Untrusted("its proof does not lead to the newer root", where=_WHERE) from None
    return root != older.root


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
