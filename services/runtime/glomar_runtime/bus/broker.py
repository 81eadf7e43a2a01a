"""The broker of a service: FastStream's NatsBroker on our connection.

FastStream must not declare streams, acknowledge messages, or answer on a subject that a sender chose. The
arguments that forbid this stand here once (docs/adr/0003).
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

from glomar_runtime.bus.connection import API_PREFIX, BusClient, connect
from glomar_runtime.settings import ServiceSettings

log = logging.getLogger(__name__)

INFO_TIMEOUT_S = 5.0

SCHEMA_MARKER = "x-json-schema"
"""In the AsyncAPI document: a payload's JSON Schema, which the generator of the document refers to."""

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
        """The connection, for what FastStream does not support: atomic batches, fences, direct gets.

        Raises Unreachable before the first connection and after the last one.
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
        """Raises Unreachable if a consumer does not exist: a deleted consumer gives no other sign."""
        for path in self._consumers:
            try:
                info = await self.client.request(f"{API_PREFIX}.CONSUMER.INFO.{path}", timeout=INFO_TIMEOUT_S)
            except TimeoutError:
                raise Unreachable("the consumer's state can't be read", where=path) from None
            if b'"error"' in info.data:
                raise Unreachable("the consumer is gone", where=path, fix="Run `glomar-bus create`")

    async def stop(self, *error: Any) -> None:
        """Flushes first; without a connection that is not possible."""
        # Nor may it be closed then: nats-py would write to the lost transport. It ends with the event loop.
        with contextlib.suppress(ConnectionReconnectingError, ConnectionClosedError):
            await super().stop(*error)

    def durable(
        self, subjects: Subjects, *, consumer: str, carries: type[Struct], description: str
    ) -> Callable[[BatchHandler], BatchHandler]:
        """Decorates the handler of a durable consumer that `topology` has created.

        The handler gets up to MAX_BATCH nats-py messages, one batch at a time, and acknowledges them itself.
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
        """Decorates the handler of a core subject. The handler gets one nats-py message."""
        return self._subscribed(subject, carries, description=description)

    def core_batches(
        self, subjects: Subjects, subject: str, *, carries: type[Struct], description: str
    ) -> Callable[[BatchHandler], BatchHandler]:
        """Decorates the handler of a busy core subject. The handler gets all waiting messages as one batch.

        FastStream's cost for each message, larger than ours for most of them, then arises once a batch.
        """
        return self._subscribed(
            subject,
            carries,
            description=description,
            # Nothing is pulled from the stream: the subscription is a Feed.
            stream=JStream(subjects.stream, declare=False),
            pull_sub=_BATCHES,
        )

    def publishes(self, subject: str, *, carries: type[Struct], description: str) -> None:
        """Declares for AsyncAPI what this service publishes through `client` (docs/adr/0008)."""
        self.publisher(subject, title=subject, schema=_payload(carries), description=description)

    def _subscribed(self, subject: str, carries: type[Struct], **arguments: Any) -> Callable[[Any], Any]:
        subscriber = self.subscriber(
            subject, title=subject, ack_policy=AckPolicy.MANUAL, no_reply=True, decoder=_raw, **arguments
        )

        def decorate(handler: Any) -> Any:
            async def handle(message: Any) -> None:
                try:
                    await handler(message)
                except Exception:
                    # FastStream would not log it. The message is delivered again.
                    log.exception("handler failed")
                    raise

            handle.__annotations__["message"] = _payload(carries)
            subscriber(handle)
            return handler

        return decorate


async def _raw(message: Any) -> Any:
    """Leaves the bytes to the strict decoder: FastStream's decoder depends on the sender's content type."""
    return message.raw_message


def _payload(kind: type[Struct]) -> type:
    """An annotation whose JSON Schema is `json/<name>.schema.json` of the contract.

    FastStream describes payloads through pydantic, which does not support msgspec Structs and resolves
    references itself. So the annotation gives it a marker.
    """
    name = kind.__struct_config__.tag or kind.__name__.lower()

    class Payload:
        @classmethod
        def __get_pydantic_core_schema__(cls, source: object, handler: object) -> dict[str, Any]:
            return {"type": "any"}

        @classmethod
        def __get_pydantic_json_schema__(cls, schema: object, handler: object) -> dict[str, Any]:
            return {"type": "object", "title": kind.__name__, SCHEMA_MARKER: f"json/{name}.schema.json"}

    Payload.__name__ = Payload.__qualname__ = kind.__name__
    return Payload
