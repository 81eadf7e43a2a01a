"""One writer to a ledger, whatever starts by mistake. Called when the sequencer opens."""

import fcntl
import os
from pathlib import Path

from glomar_schemas.errors import Misconfigured


def claim(directory: Path) -> int:
    """Makes the directory if need be -> the descriptor whose flock makes this process its only writer.

    Closing it, or dying, gives it up. Raises Misconfigured.
    """
    path = directory / "lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise Misconfigured(
            f"the ledger can't be opened ({error.strerror})",
            where=str(directory),
            fix="Check path and permissions",
        ) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise Misconfigured(
            "another process has this ledger open", where=str(path), fix="Stop it: a ledger has one writer"
        ) from error
    return fd
