"""Messages of a durable consumer or a subject, in batches, for FastStream's batch subscriber.

The server pushes each consumer's messages to its own subject, up to its `max_ack_pending`. Pulling is not
possible: across accounts its answers are a streamed service response, which an empty message ends. One
request with an empty body would hide the messages after it from verifier and auditor (docs/adr/0003).
"""

import asyncio
from collections import deque

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import TimeoutError as NatsTimeoutError


class Feed:
    """The messages pushed to one consumer or subject, in order of arrival."""

    def __init__(self, client: Client, subject: str, group: str) -> None:
        """group: the queue group that shares the consumer's messages among workers; "" for none."""
        self._client = client
        self._subject = subject
        self._group = group
        self._waiting: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self._batch_open = False
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        self._subscription = await self._client.subscribe(self._subject, self._group, cb=self._on_message)

    async def unsubscribe(self) -> None:
        """Stops the delivery. Unacknowledged messages are delivered again after their ack_wait."""
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()
        self._subscription = None

    async def fetch(self, batch: int, timeout: float) -> list[Msg]:  # noqa: ASYNC109 - FastStream's signature
        """Up to `batch` messages. The first call for a batch waits for one; later calls do not wait.

        FastStream calls until a batch is full or nats' TimeoutError is raised. Raising it as soon as the
        queue is empty delivers a small batch at once.
        """
        if not self._waiting:
            if self._batch_open:
                self._batch_open = False
                raise NatsTimeoutError
            await self._wait(timeout)
        taken = [self._waiting.popleft() for _ in range(min(batch, len(self._waiting)))]
        self._batch_open = True
        return taken

    async def _wait(self, timeout_s: float) -> None:
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        except TimeoutError:
            # FastStream catches only nats' TimeoutError, not the builtin one.
            raise NatsTimeoutError from None

    async def _on_message(self, message: Msg) -> None:
        self._waiting.append(message)
        self._arrived.set()
