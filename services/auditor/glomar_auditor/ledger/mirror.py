"""A copy of what a ledger publishes, for a web server or a bucket. Called by `glomar-auditor publish`.

Whoever reads the copy at any moment finds every file that its checkpoint needs: that is replaced last.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from glomar_schemas.errors import Misconfigured
from glomar_schemas.tlog.client import Directory, OpenNote, PublishedLog
from glomar_schemas.tlog.layout import CHECKPOINT, COSIGNED, bundle_path, encode_bundle, tile_path
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.tree import TILE_HEIGHT, TILE_WIDTH
from msgspec import Struct

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.tiles import TileStore


class Copied(Struct, frozen=True):
    """origin and size of the log as the copy now shows it; files: how many were written."""

    origin: str
    size: int
    files: int


def publish(ledger: Path, target: Path, opened: OpenNote) -> Copied:
    """Brings the copy in `target` up to the ledger's checkpoint, which may belong to a live auditor.

    Raises Forked if the copy shows another history, IntegrityError if the ledger contradicts itself,
    Unreachable if it is shorter than the copy, Misconfigured if the copy can't be written or is the ledger.
    """
    if target.resolve() == ledger.resolve():
        # Its auditor may write it right now, and would find an older checkpoint.
        raise Misconfigured("this is the ledger itself", where=str(target), fix="Name another directory")
    # Before the newest, which covers it then.
    cosigned = Directory(ledger).get(COSIGNED)
    published = PublishedLog.read(Directory(ledger), opened)
    if (shown := Directory(target).get(CHECKPOINT)) is not None:
        published.require_extends(shown.decode("utf-8", "replace"), opened)
    disk, full, files = Disk(), [], 0
    try:
        for path, content in _lacking(ledger, target, published):
            disk.replace(target / path, content)
            files += 1
            if path.parent.suffix != ".p":
                full.append(path)
        if cosigned is not None:
            files += _copy_parts(ledger, target, opened(cosigned.decode("utf-8", "replace")).size, disk)
        disk.replace_durably(target / CHECKPOINT, published.note.encode())
        if cosigned is not None:
            # Behind the newest here, too: whoever sees one that is not covered sees a ledger put back.
            disk.replace_durably(target / COSIGNED, cosigned)
        for path in full:
            # Readers of the checkpoint before find their part in the full file.
            disk.remove_directory(target / f"{path}.p")
    except OSError as error:
        raise Misconfigured(f"can't be written ({error.strerror})", where=str(target)) from None
    return Copied(published.checkpoint.origin, published.size, files + 1)


def _lacking(ledger: Path, target: Path, published: PublishedLog) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Each file under the checkpoint that the target does not have, or not whole."""
    store = TileStore(ledger, Disk())
    for index, width in _tiles(published.size, 0):
        bundle, tile = bundle_path(index, width), tile_path(0, index, width)
        if not (_has(target, bundle, ledger) and _has(target, tile, ledger)):
            entries = published.bundle(index)
            yield bundle, encode_bundle(entries)
            yield tile, b"".join(map(leaf_hash, entries))
    level = 1
    while published.size >> level * TILE_HEIGHT:
        for index, width in _tiles(published.size, level):
            if not _has(target, path := tile_path(level, index, width), ledger):
                yield path, store.read_tile(level, index, width)
        level += 1


def _copy_parts(ledger: Path, target: Path, size: int, disk: Disk) -> int:
    """The unfinished files of an earlier size, where the full one is not there already -> how many."""
    parts = [bundle_path(index, width) for index, width in _tiles(size, 0)][-1:]
    level = 0
    while size >> level * TILE_HEIGHT:
        parts += [tile_path(level, index, width) for index, width in _tiles(size, level)][-1:]
        level += 1
    found = [(path, Directory(ledger).get(str(path))) for path in parts if not _has(target, path, ledger)]
    for path, content in found:
        if content is not None:
            disk.replace(target / path, content)
    return sum(content is not None for _, content in found)


def _tiles(size: int, level: int) -> Iterator[tuple[int, int]]:
    """Index and width of each tile of a level."""
    full, rest = divmod(size >> level * TILE_HEIGHT, TILE_WIDTH)
    yield from ((index, TILE_WIDTH) for index in range(full))
    if rest:
        yield full, rest


def _has(target: Path, path: PurePosixPath, ledger: Path) -> bool:
    """A crash may have left a file without its content; what is whole never changes."""
    try:
        return (target / path).stat().st_size == (ledger / path).stat().st_size
    except FileNotFoundError:
        return False
