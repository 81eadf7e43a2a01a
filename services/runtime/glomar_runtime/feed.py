"""A steady feed of messages from a durable pull consumer: overlapping pulls, heartbeats, no lost batch.

It stands behind FastStream's pull subscriber in the place of nats-py's subscription. That one waits for
a full batch or a timeout, loses what it had collected on the builtin TimeoutError, and spins when the
consumer is gone (docs/adr/0003).
"""

import asyncio
import json
import logging
from collections import deque

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import TimeoutError as NatsTimeoutError

log = logging.getLogger(__name__)

EXPIRES_S = 20.0
"""Below the 45 s after which the server forgets where the answers of an exported pull go."""
HEARTBEAT_S = 2.0
BACKOFF_S = 0.5
AHEAD = 200
"""Messages on order beyond those that wait here: few enough to be redelivered soon after a crash."""
_NANO = 1_000_000_000


class Feed:
    """Messages of one consumer, in arrival order."""

    def __init__(self, client: Client, pull_subject: str) -> None:
        self._client = client
        self._pull_subject = pull_subject
        self._inbox = client.new_inbox()
        self._waiting: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self._on_order = 0
        """Messages that the server may still send without being asked again."""
        self._batch_open = False
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        self._subscription = await self._client.subscribe(self._inbox, cb=self._on_message)
        await self._order()

    async def unsubscribe(self) -> None:
        """Stops the flow; what was not taken is delivered again after its ack_wait."""
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
        self._batch_open = bool(taken)
        await self._order()
        if not taken:
            raise NatsTimeoutError
        return taken

    async def _wait(self, timeout_s: float) -> None:
        self._arrived.clear()
        await self._order()
        try:
            await asyncio.wait_for(self._arrived.wait(), max(timeout_s, 2 * HEARTBEAT_S))
        except TimeoutError:
            # Not even a heartbeat: the order was lost with a connection, a server or a leader.
            self._on_order = 0

    async def _order(self) -> None:
        if self._on_order + len(self._waiting) > AHEAD // 2 or not self._client.is_connected:
            return
        pull = {
            "batch": AHEAD,
            "expires": int(EXPIRES_S * _NANO),
            "idle_heartbeat": int(HEARTBEAT_S * _NANO),
        }
        self._on_order += AHEAD
        await self._client.publish(self._pull_subject, json.dumps(pull).encode(), reply=self._inbox)

    async def _on_message(self, message: Msg) -> None:
        # A stored message may carry a forged status header; only the server writes to the inbox itself.
        if message.subject != self._inbox:
            self._on_order = max(0, self._on_order - 1)
            self._waiting.append(message)
            self._arrived.set()
            return
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status != "100":
            unfilled = headers.get("Nats-Pending-Messages", "")
            self._on_order = max(0, self._on_order - int(unfilled)) if unfilled.isdigit() else 0
            if status != "408":
                log.warning("the bus ended a pull", extra={"status": status[:3]})
                await asyncio.sleep(BACKOFF_S)
        self._arrived.set()
