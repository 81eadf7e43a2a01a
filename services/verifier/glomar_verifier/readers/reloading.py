"""A file of the operator's that may be replaced while the service runs: read again whole, or not at all.
Called by the app for lists that the record holder keeps, such as case rolls.

Put a new file in place by renaming it. One that is being written where it lies is read once it is still.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from glomar_schemas.errors import GlomarError

log = logging.getLogger(__name__)

T = TypeVar("T")

Stamp = tuple[int, int, int]


class Reloading(Generic[T]):
    """`value` is what the file said when it was last well; `absent` until there is a file."""

    def __init__(self, path: Path, read: Callable[[Path], T], absent: T) -> None:
        """Reads the file, if there is one. Raises what `read` raises: at a start somebody can mend it."""
        self._path = path
        self._read = read
        self._stamp = _stamp(path)
        self.value = absent if self._stamp is None else read(path)

    def refresh(self) -> None:
        """Reads a file that has changed. A bad one is logged and refused whole; the old value stays.

        A file that is gone changes nothing: whoever withdraws a list files an empty one.
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
        # Written to while it was read: half of a list is no list.
        if _stamp(self._path) == stamp:
            self._stamp, self.value = stamp, value
            log.info("a new file is in force", extra={"where": str(self._path)})


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
