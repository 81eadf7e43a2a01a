"""A ledger's files as outsiders read them: hash tiles and entry bundles, c2sp.org/tlog-tiles.

Called by the sequencer, which writes them, and by fsck; journal shares the Disk that all writes go through.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from glomar_schemas.errors import IntegrityError
from glomar_schemas.merkle import HASH_BYTES
from glomar_schemas.tlog import bundle_path, decode_bundle, encode_bundle, tile_path
from glomar_schemas.tree import TILE_HEIGHT, TILE_WIDTH

__all__ = ["Disk", "TileStore", "bundle_path", "decode_bundle", "encode_bundle", "tile_path"]

_RESTORE: Final = "Restore the ledger from a copy that fsck verifies"


class Disk:
    """The few calls that change storage, one durable step each; tests hand in one that fails between them."""

    def create(self, path: Path, data: bytes) -> None:
        """Write a whole file, making its directories. Not durable until sync()."""
        try:
            path.write_bytes(data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def append(self, fd: int, data: bytes) -> None:
        """One write at the end of `fd`. Raises OSError if the system took only a part of it."""
        if (written := os.write(fd, data)) != len(data):
            raise OSError(f"wrote {written} of {len(data)} bytes")

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file off at `size` bytes. Not durable until sync_data()."""
        os.ftruncate(fd, size)

    def sync_data(self, fd: int) -> None:
        """Return once what was written to `fd` survives a power cut."""
        os.fdatasync(fd)

    def sync(self, path: Path) -> None:
        """Return once the file's content, or the directory's names, survive a power cut."""
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        """Replace `target` in one step. Not durable until sync(target.parent)."""
        source.replace(target)

    def remove_directory(self, path: Path) -> None:
        """Remove a directory of files, if it is there."""
        with suppress(FileNotFoundError):
            shutil.rmtree(path)

    def replace(self, path: Path, data: bytes) -> None:
        """Write a file so that a reader sees the old or the new content, never a part. Not durable."""
        draft = path.with_name(path.name + ".tmp")
        self.create(draft, data)
        self.rename(draft, path)

    def replace_durably(self, path: Path, data: bytes) -> None:
        """replace() that survives a power cut: content first, then the name, else the name could be empty."""
        draft = path.with_name(path.name + ".tmp")
        self.create(draft, data)
        self.sync(draft)
        self.rename(draft, path)
        self.sync(path.parent)


class TileStore:
    """Reads and writes the tiles of one ledger and knows which of them a power cut could still take."""

    def __init__(self, directory: Path, disk: Disk, durable_size: int = 0) -> None:
        """`durable_size`: the tree size whose tiles are known to be synced (the journal's base)."""
        self._directory = directory
        self._disk = disk
        self._durable_size = durable_size
        self._unsynced: defaultdict[Path, set[str]] = defaultdict(set)
        self._superseded: list[Path] = []

    def write_tile(self, level: int, index: int, hashes: bytes) -> None:
        """Store 1 to 256 hashes; a full tile replaces its partial ones."""
        width = len(hashes) // HASH_BYTES
        self._write(tile_path(level, index, width), hashes)
        if width == TILE_WIDTH:
            self._supersede(tile_path(level, index), level, index)

    def write_bundle(self, index: int, entries: Sequence[bytes]) -> None:
        """Store 1 to 256 entries; a full bundle replaces its partial ones."""
        self._write(bundle_path(index, len(entries)), encode_bundle(entries))
        if len(entries) == TILE_WIDTH:
            self._supersede(bundle_path(index), 0, index)

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
        self._durable_size = size
        for partials in self._superseded:
            self._disk.remove_directory(partials)
        self._superseded.clear()

    def _write(self, relative: PurePosixPath, data: bytes) -> None:
        path = self._directory / relative
        self._disk.replace(path, data)
        self._unsynced[path.parent].add(path.name)

    def _supersede(self, full: PurePosixPath, level: int, index: int) -> None:
        partials = self._directory / f"{full}.p"
        self._unsynced.pop(partials, None)
        if index == self._durable_size >> (level + 1) * TILE_HEIGHT:
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
