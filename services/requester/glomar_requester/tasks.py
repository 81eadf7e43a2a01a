"""Ends what the client does in the background. Called when it is left."""

import asyncio
from collections.abc import Sequence

CANCEL_AGAIN_S = 0.1


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """nats-py's wait_for swallows a cancellation, in Python 3.11, that comes at the moment of the reply."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
