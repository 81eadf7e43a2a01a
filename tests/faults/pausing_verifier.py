"""A verifier that stops itself with SIGSTOP between a decision and its publishing, if a certain file exists.

It removes the file before it stops. Run as `python pausing_verifier.py serve --config FILE`, with
GLOMAR_PAUSE_FILE naming the file.
"""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from glomar_verifier import cli
from glomar_verifier.decisions import store_verdicts, worker

PAUSE_FILE = "GLOMAR_PAUSE_FILE"


def _pause_if_requested() -> None:
    with contextlib.suppress(FileNotFoundError):
        Path(os.environ[PAUSE_FILE]).unlink()
        os.kill(os.getpid(), signal.SIGSTOP)


async def _store_after_pause(*arguments: Any, **more: Any) -> list[bool]:
    _pause_if_requested()
    return await store_verdicts.store_verdicts(*arguments, **more)


if __name__ == "__main__":
    worker.store_verdicts = _store_after_pause  # type: ignore[attr-defined]
    cli.main()
