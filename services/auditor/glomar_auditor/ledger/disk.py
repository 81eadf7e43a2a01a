"""The calls by which a ledger changes storage, each one step that a crash can come before, after or within.

Called by the sequencer, its journal and its tiles; tests hand in a disk that fails.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from glomar_schemas.errors import Fatal


class Disk:
    """The real one. Every call raises OSError."""

    def create(self, path: Path, data: bytes) -> None:
        """Write a whole file, making its directories. Not durable until sync()."""
        try:
            path.write_bytes(data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def append(self, fd: int, data: bytes) -> None:
        """Write at the end of `fd`: in one call, unless the system takes only a part of it."""
        rest = memoryview(data)
        while rest:
            # A disk that fills up takes what fits; only the next call says why it stopped.
            rest = rest[os.write(fd, rest) :]

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


def storage_failed(path: Path, error: OSError) -> Fatal:
    """What ends the process. It is never tried again: after a failed fsync the kernel may drop what was
    written and report success the next time."""
    return Fatal(
        f"the storage refused ({error.strerror or error})",
        where=str(path),
        fix="Mend it or make room, then start the auditor again; nothing that was released is lost",
    )
