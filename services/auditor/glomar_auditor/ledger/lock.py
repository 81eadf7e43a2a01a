"""Whose a ledger directory is: one writer, one log and key. Called when the sequencer opens."""

import fcntl
import os
from pathlib import Path

from glomar_schemas.errors import IntegrityError, Misconfigured

_OWN = {"log.vkey", "log.vkey.tmp", "journal.tmp"}
"""What a crash may leave of a ledger whose journal is not there yet."""


def claim(directory: Path) -> int:
    """Makes the directory if need be -> the descriptor whose flock makes this process its only writer.

    The directory itself is locked: a lock file could be removed. Closing the descriptor, or dying, gives it
    up. Raises Misconfigured.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Misconfigured(
            f"the ledger can't be opened ({error.strerror})",
            where=str(directory),
            fix="Check path and permissions",
        ) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if isinstance(error, BlockingIOError):
            raise Misconfigured(
                "another process has this ledger open",
                where=str(directory),
                fix="Stop it: a ledger has one writer",
            ) from error
        raise Misconfigured(
            f"the ledger can't be locked ({error.strerror})",
            where=str(directory),
            fix="Keep it on a disk of this machine",
        ) from error
    return fd


def require_key(directory: Path, vkey: str) -> None:
    """Raises Misconfigured if the directory says that it is the ledger of another key or origin. OSError."""
    path = directory / "log.vkey"
    if path.exists() and path.read_bytes() != f"{vkey}\n".encode():
        raise Misconfigured(
            "this ledger belongs to another key or origin",
            where=str(path),
            fix="Start with the key that created it; a new key or stream needs a new, empty directory",
        )


def require_new(directory: Path) -> None:
    """Raises unless a ledger may begin here: IntegrityError where one was, Misconfigured for a foreign
    directory. OSError."""
    found = {path.name for path in directory.iterdir()} - _OWN
    for derived in sorted(found & {"checkpoint", "tile"}):
        raise IntegrityError(
            "the journal is missing, but not what rests on it",
            where=str(directory / derived),
            fix="Restore the ledger directory from a copy; it catches up from the stream",
        )
    if found:
        raise Misconfigured(
            "the directory is no ledger, and not empty",
            where=str(directory),
            fix="Name the ledger's directory, or a new one",
        )
