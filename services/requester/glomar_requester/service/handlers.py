"""What the service does at its start and with each message from the bus, on FastStream's connection."""

import asyncio
import logging
from typing import Any

from glomar_runtime.bus.broker import Bus
from glomar_runtime.service import Stop
from glomar_schemas.errors import GlomarError, Retryable
from nats.aio.msg import Msg

from glomar_requester.client import Client

log = logging.getLogger(__name__)

RESEND_EVERY_S = 1.0


class BusConnection:
    """The connection of the bus, for a client that is built before the application starts."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        await self._bus.client.publish(subject, payload, reply, headers)

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109 - nats-py's signature
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Any:
        return await self._bus.client.request(subject, payload, timeout, old_style, headers)


class RequesterHandlers:
    def __init__(self, client: Client, stop: Stop) -> None:
        self._client = client
        self._stop = stop

    async def resend(self) -> None:
        """Once after the start: sends the requests that a crash left in the store."""
        while True:
            try:
                if count := await self._client.resend():
                    log.info("sent the requests that were left in the store", extra={"count": count})
                return
            except Retryable as fault:
                log.warning("requests are not sent yet; they are sent again", extra={"fault": fault.what})
            except GlomarError as fault:
                self._stop.fail(fault)
                return
            await asyncio.sleep(RESEND_EVERY_S)

    async def releases(self, messages: list[Msg]) -> None:
        for message in messages:
            await self._client.receive(message)

    async def notice(self, message: Msg) -> None:
        await self._client.receive_notice(message)
