"""Messages of a durable consumer or a subject, in batches as they come. Behind FastStream's batch subscriber.

The server pushes to a subject of its own for each consumer, as far as its `max_ack_pending` allows. Pulling
would not do: across accounts its answers are a streamed service response, which an empty message ends, so one
request with an empty body would cost verifier and auditor the messages behind it (docs/adr/0003).
"""

import asyncio
from collections import deque

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import TimeoutError as NatsTimeoutError


class Feed:
    """The messages pushed to one consumer or subject, in arrival order."""

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
        """Stops the flow; what was not acknowledged is delivered again after its ack_wait."""
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()
        self._subscription = None

    async def fetch(self, batch: int, timeout: float) -> list[Msg]:  # noqa: ASYNC109 - FastStream's signature
        """Up to `batch` messages. The first call of a batch waits for one; the next take what is there.

        FastStream calls until a batch is full or nats' TimeoutError is raised: raising it as soon as nothing
        waits hands a batch on at once, without holding a lone message back for company.
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
            # Of the two TimeoutErrors, FastStream knows only this one.
            raise NatsTimeoutError from None

    async def _on_message(self, message: Msg) -> None:
        self._waiting.append(message)
        self._arrived.set()
