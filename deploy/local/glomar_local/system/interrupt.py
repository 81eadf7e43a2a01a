"""Ctrl-C and SIGTERM, as a cancellation that leaves time to clean up."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """The work was cancelled by a signal, and has cleaned up."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs the work to its end. Raises Interrupted after a signal; further signals change nothing."""
    return asyncio.run(_run(work))


async def _run(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    signalled = False

    def stop() -> None:
        # Once only: a second cancellation would break into the cleaning up and leave processes behind.
        nonlocal signalled
        if not signalled:
            signalled = True
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        raise Interrupted from None
