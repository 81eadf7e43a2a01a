"""The broker of a service: FastStream's NatsBroker on our connection.

FastStream stays the frame; what it may not do is declare streams, acknowledge by itself, or answer to a
subject that a sender chose, so the arguments that forbid it are given here once (docs/adr/0003).
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from glomar_schemas.errors import Unreachable
from glomar_schemas.subjects import MAX_BATCH, Subjects
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, ConnectionReconnectingError

from glomar_runtime.bus.asyncapi import payload
from glomar_runtime.bus.connection import API_PREFIX, BusClient, connect
from glomar_runtime.settings import ServiceSettings

log = logging.getLogger(__name__)

INFO_TIMEOUT_S = 5.0

_BATCHES = PullSub(batch_size=MAX_BATCH, batch=True)

BatchHandler = Callable[[list[Msg]], Awaitable[None]]
MessageHandler = Callable[[Msg], Awaitable[None]]


class Bus(NatsBroker):
    """FastStream's broker, connected as the party whose nkey the settings name."""

    def __init__(self, settings: ServiceSettings, name: str) -> None:
        super().__init__(
            settings.url.split(","), logger=None, apply_types=False, js_options={"prefix": API_PREFIX}
        )
        self._settings = settings
        self._name = name
        self._consumers: list[str] = []

    async def _connect(self) -> Client:
        client = await connect(self._settings, self._name)
        self.config.connect(client)
        return client

    @property
    def client(self) -> BusClient:
        """The live connection, for what FastStream can't say: atomic batches, fences, direct gets.

        Raises Unreachable before the first connection and after the last.
        """
        if not self.config.connection_state:
            raise Unreachable("not connected yet", where="bus")
        client = self.config.connection_state.connection
        assert isinstance(client, BusClient)
        return client

    @property
    def is_connected(self) -> bool:
        return bool(self.config.connection_state) and self.client.is_connected

    async def check_consumers(self) -> None:
        """Nothing else would tell that a consumer is gone: it just goes quiet. Raises Unreachable."""
        for path in self._consumers:
            try:
                info = await self.client.request(f"{API_PREFIX}.CONSUMER.INFO.{path}", timeout=INFO_TIMEOUT_S)
            except TimeoutError:
                raise Unreachable("the consumer can't be looked at", where=path) from None
            if b'"error"' in info.data:
                raise Unreachable("the consumer is gone", where=path, fix="Run `glomar-bus create`")

    async def stop(self, *error: Any) -> None:
        """Lets what is on its way go out first; while the bus is away nothing can."""
        # Nor may it be closed: nats-py would write to the transport that is gone. It ends with the loop.
        with contextlib.suppress(ConnectionReconnectingError, ConnectionClosedError):
            await super().stop(*error)

    def durable(
        self, subjects: Subjects, *, consumer: str, carries: type[Struct], description: str
    ) -> Callable[[BatchHandler], BatchHandler]:
        """Decorates the handler of a durable consumer that `topology` has created.

        It gets up to MAX_BATCH nats-py messages, one batch at a time, and acknowledges by itself.
        """
        self._consumers.append(f"{subjects.stream}.{consumer}")
        return self._subscribed(
            subjects.delivery(consumer),
            carries,
            description=description,
            durable=consumer,
            stream=JStream(subjects.stream, declare=False),
            pull_sub=_BATCHES,
        )

    def core(
        self, subject: str, *, carries: type[Struct], description: str
    ) -> Callable[[MessageHandler], MessageHandler]:
        """Decorates the handler of a core subject, which gets one nats-py message."""
        return self._subscribed(subject, carries, description=description)

    def core_batches(
        self, subjects: Subjects, subject: str, *, carries: type[Struct], description: str
    ) -> Callable[[BatchHandler], BatchHandler]:
        """The same for a core subject on which much comes: it gets in one batch what is there.

        FastStream's own work for a message, which is more than ours for most of these, is done once a batch.
        """
        return self._subscribed(
            subject,
            carries,
            description=description,
            # Nothing is pulled from it: a Feed stands behind this.
            stream=JStream(subjects.stream, declare=False),
            pull_sub=_BATCHES,
        )

    def publishes(self, subject: str, *, carries: type[Struct], description: str) -> None:
        """Declares what this service publishes through `client`, for AsyncAPI (docs/adr/0008)."""
        self.publisher(subject, title=subject, schema=payload(carries), description=description)

    def _subscribed(self, subject: str, carries: type[Struct], **arguments: Any) -> Callable[[Any], Any]:
        subscriber = self.subscriber(
            subject, title=subject, ack_policy=AckPolicy.MANUAL, no_reply=True, decoder=_raw, **arguments
        )

        def decorate(handler: Any) -> Any:
            async def handle(message: Any) -> None:
                try:
                    await handler(message)
                except Exception:
                    # FastStream would say nothing; the message is delivered again.
                    log.exception("handler failed")
                    raise

            handle.__annotations__["message"] = payload(carries)
            subscriber(handle)
            return handler

        return decorate


async def _raw(message: Any) -> Any:
    """The bytes are for the strict decoder alone; FastStream's would guess from a content type."""
    return message.raw_message
