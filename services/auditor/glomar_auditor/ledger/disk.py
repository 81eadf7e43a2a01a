"""The calls by which a ledger changes storage. A crash can come before, after or within each of them.

Tests pass a disk that fails.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from glomar_schemas.errors import Fatal


class Disk:
    """The operating system's. Every call raises OSError."""

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
            # A disk that fills up writes what fits; only the next call reports the error.
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
        """Write a file so that a reader sees the old or the new content, never a part of it. Not durable."""
        draft = path.with_name(path.name + ".tmp")
        self.create(draft, data)
        self.rename(draft, path)

    def replace_durably(self, path: Path, data: bytes) -> None:
        """replace() that survives a power cut: content before name, else the file could be empty."""
        draft = path.with_name(path.name + ".tmp")
        self.create(draft, data)
        self.sync(draft)
        self.rename(draft, path)
        self.sync(path.parent)


def storage_failed(path: Path, error: OSError) -> Fatal:
    """Ends the process. There is no retry: after a failed fsync the kernel may drop the data and report
    success the next time."""
    return Fatal(
        f"the storage refused ({error.strerror or error})",
        where=str(path),
        fix="Repair it or free space, then start the auditor again; nothing that was released is lost",
    )
