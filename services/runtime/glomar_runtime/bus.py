"""The broker of a service: FastStream's NatsBroker on our connection.

FastStream stays the frame; what it may not do is declare streams, acknowledge by itself, or answer to a
subject that a sender chose, so the arguments that forbid it are given here once (docs/adr/0003).
"""

from typing import Any

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from glomar_schemas.subjects import MAX_BATCH
from nats.aio.client import Client

from glomar_runtime.connection import API_PREFIX, BusClient, connect
from glomar_runtime.settings import ServiceSettings


class Bus(NatsBroker):
    """FastStream's broker, connected as the party whose nkey the settings name."""

    def __init__(self, settings: ServiceSettings, name: str) -> None:
        super().__init__(settings.url, logger=None, apply_types=False, js_options={"prefix": API_PREFIX})
        self._settings = settings
        self._name = name

    async def _connect(self) -> Client:
        client = await connect(self._settings, self._name)
        self.config.connect(client)
        return client

    @property
    def client(self) -> BusClient:
        """The live connection, for what FastStream can't say: atomic batches, fences, direct gets."""
        client = self.config.connection_state.connection
        assert isinstance(client, BusClient)
        return client


def durable(stream: str, consumer: str) -> dict[str, Any]:
    """Arguments of `@bus.subscriber` for a consumer that `topology` has created.

    The handler gets a list of nats-py messages, acknowledges by itself, and has one batch at a time.
    """
    return {
        "durable": consumer,
        "stream": JStream(stream, declare=False),
        "pull_sub": PullSub(batch_size=MAX_BATCH, batch=True),
        "ack_policy": AckPolicy.MANUAL,
        "no_reply": True,
        "decoder": _raw,
    }


def core() -> dict[str, Any]:
    """Arguments of `@bus.subscriber` for a core subject: the handler gets the nats-py message itself."""
    return {"ack_policy": AckPolicy.MANUAL, "no_reply": True, "decoder": _raw}


async def _raw(message: Any) -> Any:
    """The bytes are for the strict decoder alone; FastStream's would guess from a content type."""
    return message.raw_message
