"""A file that may be replaced at run time: a changed file is read again as a whole, or not at all.

Replace the file by renaming a new one. A file that is written in place is taken once it no longer changes.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from glomar_schemas.errors import GlomarError

log = logging.getLogger(__name__)

T = TypeVar("T")

FileStamp = tuple[int, int, int]


class Reloading(Generic[T]):
    """`value` is what the newest valid file holds; `absent` until there is a file."""

    def __init__(self, path: Path, read: Callable[[Path], T], absent: T) -> None:
        """Reads the file, if there is one. Raises what `read` raises: at a start the operator can correct
        it."""
        self._path = path
        self._read = read
        self._stamp = _stamp(path)
        self.value = absent if self._stamp is None else read(path)

    def refresh(self) -> None:
        """Reads the file if it has changed. An invalid file is logged and refused; the old value stays.

        A missing file changes nothing: to withdraw a list, put an empty one in its place.
        """
        stamp = _stamp(self._path)
        if stamp in (None, self._stamp):
            return
        try:
            value = self._read(self._path)
        except GlomarError as fault:
            if _stamp(self._path) == stamp:
                self._stamp = stamp
                log.error("a file is refused, the old one stays in force", extra={"fault": str(fault)})
            return
        # A file that was written to while it was read is read again later.
        if _stamp(self._path) == stamp:
            self._stamp, self.value = stamp, value
            log.info("a new file is in force", extra={"where": str(self._path)})


def _stamp(path: Path) -> FileStamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
