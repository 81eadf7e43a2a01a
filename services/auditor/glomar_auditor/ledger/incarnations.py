"""Chains the ledger of a new stream to that of the one before. Called by the commands, the app and the watch.

The first message of a new stream is the final checkpoint of the old ledger, byte for byte, so leaf 0 is its
SHA-256 and each leaf is still a message of the stream (docs/adr/0027).
"""

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from glomar_runtime.bus.stream import Stored, get_by_sequence
from glomar_schemas.errors import IntegrityError, Misconfigured, Refused
from glomar_schemas.publish import NotStored, Outgoing, store
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Leaf, decode_entry
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, format_vkey, open_checkpoint, parse_vkey
from glomar_schemas.tlog.tree import TILE_WIDTH
from nats.aio.client import Client

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.fsck import Report, require_ledger, verify
from glomar_auditor.ledger.tiles import TileStore

FINAL = "final"
"""In the directory of a ledger that has a successor: the checkpoint with which that one opens."""


def log_keys(
    subjects: Subjects | None, oversight: str, keys: Sequence[Ed25519PublicKey]
) -> list[VerifierKey]:
    """Under which the ledger of an incarnation may be signed; none where there is no such incarnation."""
    if subjects is None:
        return []
    origin = subjects.origin(oversight)
    return [parse_vkey(format_vkey(origin, key)) for key in keys]


def require_unfinished(directory: Path) -> None:
    """Raises Misconfigured if the ledger has a successor: nothing may be appended to it any more."""
    if (directory / FINAL).exists():
        raise Misconfigured(
            "this ledger is final: a new incarnation rests on it",
            where=str(directory),
            fix="Set `incarnation` and `ledger` to those of the new one",
        )


def signed_checkpoint(text: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """A checkpoint under one of the keys. Raises Refused."""
    for key in keys:
        with suppress(Refused):
            return open_checkpoint(text.decode("utf-8", "replace"), key)
    raise Refused("not a checkpoint of the ledger before", where="opening")


def is_opening(stored: Stored, subjects: Subjects, predecessor: Sequence[VerifierKey]) -> bool:
    """Whether the first message of a stream is what it must be."""
    with suppress(Refused):
        return stored.subject == subjects.opening() and bool(signed_checkpoint(stored.body, predecessor))
    return False


def final_checkpoint(directory: Path, keys: Sequence[VerifierKey]) -> bytes:
    """Verifies the whole of a ledger that nobody writes to -> its newest checkpoint, as published.

    Once chosen it stays the same. Raises IntegrityError, Refused (not signed by any of the keys),
    Misconfigured (no ledger lies there).
    """
    require_ledger(directory)
    chosen = directory / FINAL
    note = _read(chosen if chosen.exists() else directory / "checkpoint")
    if verified(directory, keys).size != signed_checkpoint(note, keys).size:
        raise IntegrityError("the ledger went on behind its final checkpoint", where=str(directory))
    return note


def verified(directory: Path, keys: Sequence[VerifierKey]) -> Report:
    """Of a ledger under one of the keys. Raises IntegrityError, Refused, Misconfigured (none lies there)."""
    require_ledger(directory)
    published = _read(directory / "log.vkey").decode("utf-8", "replace").strip()
    for key in keys:
        if format_vkey(key.name, key.public_key) == published:
            return verify(directory, key)
    raise Refused("not the ledger of this incarnation, by the agreement", where=str(directory))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fix = "Keep the files as evidence, and restore the ledger from a copy that verifies"
        raise IntegrityError(f"can't be read ({error.strerror})", where=str(path), fix=fix) from None


def finish(directory: Path, note: bytes) -> None:
    """From here on the auditor does not open this ledger. Durable. Raises OSError."""
    Disk().replace_durably(directory / FINAL, note)


async def publish_opening(client: Client, subjects: Subjects, note: bytes) -> None:
    """Stores it as the first message of the new stream; may be repeated.

    Raises Refused if another message is the first, Unreachable, TimedOut.
    """
    with suppress(NotStored):
        await store(client, Outgoing(subjects.opening(), note, {}), first=True)
    first = await get_by_sequence(client, subjects.stream, 1)
    if first is None or (first.subject, first.body) != (subjects.opening(), note):
        raise Refused(
            "another message is the first of the new stream",
            where=subjects.stream,
            fix="The operator of the bus must delete the new stream, which holds nothing of worth yet, and "
            "create it again; then repeat this at once",
        )


def require_chained(directory: Path, size: int, subjects: Subjects, note: bytes) -> None:
    """Raises IntegrityError unless leaf 0 of a verified ledger is that checkpoint of the one before."""
    entries = TileStore(directory, Disk()).read_bundle(0, min(TILE_WIDTH, size)) if size else []
    leaf = decode_entry(entries[0]) if entries else None
    wanted = (subjects.opening(), sha256(note).digest())
    if not isinstance(leaf, Leaf) or (leaf.subject, leaf.body_sha256) != wanted:
        raise IntegrityError("leaf 0 is not the final checkpoint of the ledger before", where=str(directory))
