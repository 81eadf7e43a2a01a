"""A ledger's files as outsiders read them: hash tiles and entry bundles, c2sp.org/tlog-tiles.

Called by the sequencer's state, which writes them, and by whoever reads one.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.layout import bundle_path, decode_bundle, encode_bundle, tile_path
from glomar_schemas.tlog.merkle import HASH_BYTES
from glomar_schemas.tlog.tree import TILE_HEIGHT, TILE_WIDTH

from glomar_auditor.ledger.disk import Disk

_RESTORE: Final = "Restore the ledger from a copy that `glomar-auditor verify` accepts"
MAX_UNSYNCED: Final = 16
"""Full tiles and bundles that wait for their sync while the ledger goes on."""
_ENTRIES: Final = -1
"""In place of a level: the entry bundles, which lie under the tiles of level 0."""


class Edge(NamedTuple):
    """An unfinished tile or bundle: its file at a width up to the newest, and the widths that have none."""

    encode: Callable[[int], bytes]
    widths: set[int]


class TileStore:
    """Reads and writes the tiles of one ledger and knows which of them a power cut could still take."""

    def __init__(self, directory: Path, disk: Disk, durable_size: int = 0) -> None:
        """`durable_size`: the tree size whose tiles are known to be synced (the journal's base)."""
        self._directory = directory
        self._disk = disk
        self._durable_size = durable_size
        self._unsynced: defaultdict[Path, set[str]] = defaultdict(set)
        self._superseded: list[Path] = []
        self._full: deque[Path] = deque()
        self._edges: dict[tuple[int, int], Edge] = {}

    def write_tile(self, level: int, index: int, hashes: bytes) -> None:
        """Store 256 hashes in place of the partial tiles, or keep fewer until flush()."""
        self._write(level, index, len(hashes) // HASH_BYTES, lambda width: hashes[: width * HASH_BYTES])

    def write_bundle(self, index: int, entries: Sequence[bytes]) -> None:
        """Store 256 entries in place of the partial bundles, or keep fewer until flush()."""
        self._write(_ENTRIES, index, len(entries), lambda width: encode_bundle(entries[:width]))

    def flush(self) -> None:
        """Store every partial tile and bundle of every size that was written since and is unfinished yet.

        At recovery thousands of sizes pass by; only those need a file whose tile did not become full. Syncs
        full files that have waited, so that sync() finds few left and holds nobody up. Raises OSError.
        """
        for (level, index), edge in self._edges.items():
            for width in sorted(edge.widths):
                self._store(level, index, width, edge.encode(width))
        self._edges.clear()
        while len(self._full) > MAX_UNSYNCED:
            path = self._full.popleft()
            self._disk.sync(path)
            self._unsynced[path.parent].discard(path.name)

    def read_tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """The first `width` hashes of a tile, from the partial tile of that width or the full one.

        Raises IntegrityError if neither is there or it has another length.
        """
        for stored in (width, TILE_WIDTH):
            path = tile_path(level, index, stored)
            if (data := self._read(path)) is None:
                continue
            if len(data) != stored * HASH_BYTES:
                raise IntegrityError(f"{len(data)} bytes, not {stored} hashes", where=str(path), fix=_RESTORE)
            return data[: width * HASH_BYTES]
        raise IntegrityError("the file is missing", where=str(path), fix=_RESTORE)

    def read_bundle(self, index: int, width: int = TILE_WIDTH) -> list[bytes]:
        """The first `width` entries of a bundle, from the partial bundle of that width or the full one.

        Raises IntegrityError if neither is there or it does not hold that many.
        """
        for stored in (width, TILE_WIDTH):
            path = bundle_path(index, stored)
            if (data := self._read(path)) is None:
                continue
            try:
                entries = decode_bundle(data)
            except ValueError as error:
                raise IntegrityError(str(error), where=str(path), fix=_RESTORE) from error
            if len(entries) != stored:
                raise IntegrityError(f"{len(entries)} entries, not {stored}", where=str(path), fix=_RESTORE)
            return entries[:width]
        raise IntegrityError("the file is missing", where=str(path), fix=_RESTORE)

    def sync(self, size: int) -> None:
        """Return once every tile of the tree of `size` leaves survives a power cut. Raises OSError."""
        for directory, names in self._unsynced.items():
            for name in sorted(names):
                self._disk.sync(directory / name)
        for directory in sorted(self._changed_directories()):
            self._disk.sync(directory)
        self._unsynced.clear()
        self._full.clear()
        self._durable_size = size
        for partials in self._superseded:
            self._disk.remove_directory(partials)
        self._superseded.clear()

    def _write(self, level: int, index: int, width: int, encode: Callable[[int], bytes]) -> None:
        if width == TILE_WIDTH:
            self._edges.pop((level, index), None)
            self._full.append(self._store(level, index, width, encode(width)))
            self._supersede(level, index)
        else:
            held = self._edges.get((level, index))
            widths = held.widths if held else set()
            widths.add(width)
            self._edges[level, index] = Edge(encode, widths)

    def _store(self, level: int, index: int, width: int, data: bytes) -> Path:
        path = self._directory / _path(level, index, width)
        self._disk.replace(path, data)
        self._unsynced[path.parent].add(path.name)
        return path

    def _supersede(self, level: int, index: int) -> None:
        partials = (self._directory / _path(level, index, 1)).parent
        self._unsynced.pop(partials, None)
        if index == self._durable_size >> (max(level, 0) + 1) * TILE_HEIGHT:
            # Recovery starts from this partial, and the full tile is not synced yet: a power cut could
            # leave neither. It goes at the next sync().
            self._superseded.append(partials)
        else:
            self._disk.remove_directory(partials)

    def _read(self, relative: PurePosixPath) -> bytes | None:
        try:
            return (self._directory / relative).read_bytes()
        except FileNotFoundError:
            return None

    def _changed_directories(self) -> set[Path]:
        """Every directory that may hold a new name, up to the ledger's own."""
        seen: set[Path] = set()
        for changed in self._unsynced:
            for directory in (changed, *changed.parents):
                if directory in seen or directory == self._directory.parent:
                    break
                seen.add(directory)
        return seen


def _path(level: int, index: int, width: int) -> PurePosixPath:
    return bundle_path(index, width) if level == _ENTRIES else tile_path(level, index, width)
