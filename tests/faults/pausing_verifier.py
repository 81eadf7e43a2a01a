"""The verifier, stopped by SIGSTOP between a decision and its publishing whenever a file asks for it.

Run as `python pausing_verifier.py serve --config FILE`, with GLOMAR_PAUSE_FILE naming that file.
"""

import os
import signal
from pathlib import Path
from typing import Any

from glomar_verifier import cli
from glomar_verifier.decisions import publish, worker

PAUSE_FILE = "GLOMAR_PAUSE_FILE"


def _pause_if_asked() -> None:
    asked = Path(os.environ[PAUSE_FILE])
    if asked.exists():
        asked.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)


async def _paused_before(*arguments: Any, **more: Any) -> list[bool]:
    _pause_if_asked()
    return await publish.store_verdicts(*arguments, **more)


if __name__ == "__main__":
    worker.store_verdicts = _paused_before  # type: ignore[attr-defined]
    cli.main()
