"""Full check of a ledger from its entries: nothing stored is believed but the log's public key.

Called by `glomar-auditor verify`, on a copy or a live ledger, and by the demo.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Never

import msgspec
from glomar_schemas.errors import IntegrityError, Misconfigured, Refused
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog.layout import CHECKPOINT, COSIGNED, bundle_path, encode_bundle, tile_path
from glomar_schemas.tlog.merkle import HASH_BYTES, leaf_hash
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, format_vkey, open_checkpoint
from glomar_schemas.tlog.tree import TILE_HEIGHT, TILE_WIDTH, Tile, Tree

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.tiles import TileStore

_EVIDENCE = "Keep the files as evidence and compare them with another copy"


class Report(msgspec.Struct, frozen=True):
    """What was proved: log name, leaves, root (32 B), and how many hash tiles agree with the entries.

    gaps: how many of the leaves say that the stream lost its message before it was recorded. cosigned: the
    size of the checkpoint for witnesses' cosignatures, which is of the same history; 0 if there is none.
    """

    origin: str
    size: int
    root: bytes
    tiles: int
    gaps: int = 0
    cosigned: int = 0


def verify(directory: Path, key: VerifierKey, progress: Callable[[int, int], None] | None = None) -> Report:
    """Recompute the whole tree from the entry bundles and compare all of it with what `key` signed.

    Each entry must be a canonical leaf whose sequence is its index + 1; each hash tile, and each partial tile
    or bundle still there, must agree. `progress(done, size)` is called after each bundle. Files that reach
    beyond the checkpoint are left out: a live ledger writes them first.

    Raises IntegrityError naming file and leaf index at the first difference, Misconfigured if no ledger lies
    there, or it may not be read.
    """
    try:
        require_ledger(directory)
        return _verify(directory, key, progress)
    except PermissionError as error:
        where = error.filename or directory
        raise Misconfigured("may not be read", where=str(where), fix="Check its permissions") from None
    except OSError as error:
        where = error.filename or directory
        raise IntegrityError(f"can't be read ({error.strerror})", where=str(where), fix=_EVIDENCE) from None


def require_ledger(directory: Path) -> None:
    """Return if a ledger, whole or damaged, lies there. Raises Misconfigured: it is the wrong directory."""
    if not directory.is_dir():
        raise Misconfigured("no such directory", where=str(directory), fix="Give a ledger's directory")
    if not any((directory / name).exists() for name in ("checkpoint", "tile", "log.vkey")):
        raise Misconfigured("no ledger lies here", where=str(directory), fix="Give a ledger's directory")


def require_leaves(entries: Sequence[bytes], start: int, where: str) -> None:
    """Return if each of `entries`, from index `start`, is a canonical leaf whose sequence is its index + 1.

    Raises IntegrityError naming the first that is not, in the file `where`.
    """
    for index, entry in enumerate(entries, start):
        try:
            sequence = leaves.decode_entry(entry).sequence
        except Refused as error:
            _differ(where, index, f"the entry is not a canonical leaf ({error})")
        if sequence != index + 1:
            _differ(where, index, f"the entry has sequence {sequence}")


def _verify(directory: Path, key: VerifierKey, progress: Callable[[int, int], None] | None) -> Report:
    # Before the newer one: a live ledger replaces both meanwhile.
    cosigned = _cosigned_checkpoint(directory, key)
    checkpoint = _signed_checkpoint(directory, key)
    size = checkpoint.size
    store = TileStore(directory, Disk())
    tree, edges, checked, gaps = Tree(_no_stored_tiles), dict[int, Tile](), 0, 0
    for start in range(0, size, TILE_WIDTH):
        entries = _checked_entries(directory, store, start, min(TILE_WIDTH, size - start))
        gaps += sum(map(leaves.is_gap, entries))
        for tile in tree.append(map(leaf_hash, entries)):
            if len(tile.hashes) == TILE_WIDTH * HASH_BYTES:
                edges.pop(tile.level, None)
                _compare_tile(directory, store, tile)
                checked += 1
            else:
                edges[tile.level] = tile
        if progress is not None:
            progress(tree.size, size)
    for tile in edges.values():
        _compare_tile(directory, store, tile)
    if tree.root() != checkpoint.root:
        _differ("checkpoint", size - 1, "the entries do not hash to the signed root")
    if cosigned is not None:
        _require_extended(store, cosigned, size)
    return Report(
        checkpoint.origin, size, checkpoint.root, checked + len(edges), gaps, cosigned.size if cosigned else 0
    )


def _require_extended(store: TileStore, cosigned: Checkpoint, size: int) -> None:
    """The tiles are those of the entries by now."""
    if cosigned.size > size:
        what = f"witnesses were given {cosigned.size} entries to cosign, and the ledger ends before"
        _differ(COSIGNED, size, what)
    if Tree(store.read_tile, cosigned.size).root() != cosigned.root:
        _differ(COSIGNED, cosigned.size - 1, "the entries do not hash to the root for witnesses")


def _cosigned_checkpoint(directory: Path, key: VerifierKey) -> Checkpoint | None:
    path = directory / COSIGNED
    return _opened(path, key) if path.exists() else None


def _signed_checkpoint(directory: Path, key: VerifierKey) -> Checkpoint:
    published_key = directory / "log.vkey"
    if (
        published_key.exists()
        and published_key.read_bytes() != f"{format_vkey(key.name, key.public_key)}\n".encode()
    ):
        raise IntegrityError("not the key you trust", where="log.vkey", fix=_EVIDENCE)
    return _opened(directory / CHECKPOINT, key)


def _opened(path: Path, key: VerifierKey) -> Checkpoint:
    try:
        # As bytes: reading text would turn a carriage return into a newline and hide the difference.
        return open_checkpoint(path.read_bytes().decode(), key)
    except (FileNotFoundError, UnicodeDecodeError, Refused) as error:
        what = error.what if isinstance(error, Refused) else "it is missing, or no text"
        raise IntegrityError(f"no valid checkpoint: {what}", where=path.name, fix=_EVIDENCE) from error


def _checked_entries(directory: Path, store: TileStore, start: int, width: int) -> list[bytes]:
    bundle = start // TILE_WIDTH
    entries = store.read_bundle(bundle, width)
    require_leaves(entries, start, str(bundle_path(bundle)))
    for part, stored in _smaller_partials(directory, bundle_path(bundle), width):
        if stored != encode_bundle(entries[:part]):
            _differ(str(bundle_path(bundle, part)), start, "the partial bundle differs from the entries")
    return entries


def _compare_tile(directory: Path, store: TileStore, tile: Tile) -> None:
    width = len(tile.hashes) // HASH_BYTES
    path = tile_path(tile.level, tile.index)
    current = (width, store.read_tile(tile.level, tile.index, width))
    for part, stored in [*_smaller_partials(directory, path, width), current]:
        expected = tile.hashes[: part * HASH_BYTES]
        if stored != expected:
            place = _first_difference(stored, expected)
            first = (tile.index * TILE_WIDTH + place) << tile.level * TILE_HEIGHT
            where = str(tile_path(tile.level, tile.index, part))
            _differ(where, first, "the hash tile differs from the entries")


def _first_difference(stored: bytes, expected: bytes) -> int:
    hashes = range(0, len(expected), HASH_BYTES)
    return next((i // HASH_BYTES for i in hashes if stored[i:][:HASH_BYTES] != expected[i:][:HASH_BYTES]), 0)


def _smaller_partials(directory: Path, full: PurePosixPath, width: int) -> list[tuple[int, bytes]]:
    """(width, content) of the partial files of earlier checkpoints that are still served."""
    found: list[tuple[int, bytes]] = []
    # There are none, or a live ledger just removed them because the full tile is there.
    with suppress(FileNotFoundError):
        for path in (directory / f"{full}.p").iterdir():
            if path.name.isdecimal() and (part := int(path.name)) < width:
                found.append((part, path.read_bytes()))
    return sorted(found)


def _no_stored_tiles(level: int, index: int, width: int) -> bytes:
    raise AssertionError(f"fsck reads no stored tile ({level}, {index}, {width})")


def _differ(where: str, index: int, what: str) -> Never:
    raise IntegrityError(f"leaf {index}: {what}", where=where, fix=_EVIDENCE)
