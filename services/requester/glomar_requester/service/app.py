"""The requester's service: the HTTP API on a client that shares FastStream's connection. Built by `serve`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from faststream.asgi import AsgiFastStream
from glomar_runtime.bus.broker import Bus
from glomar_runtime.health import routes
from glomar_runtime.service import MountedApp, Stop
from glomar_runtime.telemetry.spans import Spans
from glomar_schemas.errors import GlomarError, Retryable
from glomar_schemas.messages import Ack, Notice, Request, Sealed
from msgspec import to_builtins
from nats.aio.msg import Msg

from glomar_requester.client import Client
from glomar_requester.identity import load_identity
from glomar_requester.service.api import PREFIX, Api, read_token_hash
from glomar_requester.service.otel_tracing import OtelTracing
from glomar_requester.settings import RequesterSettings
from glomar_requester.store.store import Store

log = logging.getLogger(__name__)

RESUME_EVERY_S = 1.0


class _Connection:
    """The bus's connection, which is there only once the application has started."""

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


def build_app(settings: RequesterSettings, stop: Stop) -> tuple[AsgiFastStream, Bus]:
    """Raises Misconfigured, Malformed or Untrusted before anything is served."""
    identity = load_identity(settings.profile())
    subjects, agency = identity.subjects, identity.agency
    bus = Bus(settings, "glomar-requester")
    token_hash = read_token_hash(settings.token)
    client = Client(
        _Connection(bus),
        identity,
        Store(settings.store),
        OtelTracing(Spans(subjects)),
        ledger=settings.ledger(),
    )

    bus.publishes(
        subjects.request(agency, "{request_id}"),
        carries=Request,
        description="Signed requests, their particulars sealed to the record holder.",
    )

    @bus.core_batches(
        subjects,
        subjects.release(agency, "{request_id}"),
        carries=Sealed,
        description="A verdict and its receipt, sealed to this agency, once the ledger holds it.",
    )
    async def release(messages: list[Msg]) -> None:
        for message in messages:
            await client.receive(message)

    bus.publishes(
        subjects.ack(agency, "{request_id}"),
        carries=Ack,
        description="Signed certificates that an answer is destroyed, once recalled or expired.",
    )

    @bus.core(
        subjects.notice(agency),
        carries=Notice,
        description="A control or a recall with its receipt, once the ledger holds it.",
    )
    async def notice(message: Msg) -> None:
        await client.receive_notice(message)

    async def resume() -> None:
        while True:
            try:
                if count := await client.resend():
                    log.info("sent what was unfinished", extra={"count": count})
                return
            except Retryable as fault:
                log.warning("unfinished requests wait", extra={"fault": fault.what})
            except GlomarError as fault:
                stop.fail(fault)
                return
            await asyncio.sleep(RESUME_EVERY_S)

    resuming: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with client:
            try:
                yield
            finally:
                for task in resuming:
                    task.cancel()

    app = MountedApp(
        bus,
        lifespan=lifespan,
        asgi_routes=routes(bus, subjects, agency, status=lambda: {"ledger": to_builtins(client.ledger)}),
        logger=None,
        mounts={PREFIX: Api(client, token_hash)},
    )

    @app.after_startup
    async def resume_in_background() -> None:
        resuming.append(asyncio.create_task(resume()))

    return app, bus
