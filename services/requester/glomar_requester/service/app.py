"""Composes the requester's service: the HTTP API on a client that shares FastStream's connection."""

import contextlib
from collections.abc import AsyncIterator

from faststream.asgi import AsgiFastStream
from glomar_runtime.bus.broker import Bus
from glomar_runtime.health import routes
from glomar_runtime.service import MountedApp, Stop, background
from glomar_runtime.telemetry.spans import Spans
from glomar_schemas.messages import Ack, Notice, Request, Sealed
from msgspec import to_builtins

from glomar_requester.client import Client
from glomar_requester.identity import Identity, load_identity
from glomar_requester.service.api import PREFIX, Api, read_token_hash
from glomar_requester.service.handlers import BusConnection, RequesterHandlers
from glomar_requester.service.otel_tracing import OtelTracing
from glomar_requester.settings import RequesterSettings
from glomar_requester.store.store import Store


def build_app(settings: RequesterSettings, stop: Stop) -> tuple[AsgiFastStream, Bus]:
    """Raises Misconfigured, Malformed or Untrusted before anything is served."""
    identity = load_identity(settings.profile())
    subjects, agency = identity.subjects, identity.agency
    bus = Bus(settings, "glomar-requester")
    token_hash = read_token_hash(settings.token)
    client = Client(
        BusConnection(bus),
        identity,
        Store(settings.store),
        OtelTracing(Spans(subjects)),
        ledger=settings.ledger(),
    )
    handlers = RequesterHandlers(client, stop)
    _declare(bus, identity, handlers)

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with client:
            yield

    app = MountedApp(
        bus,
        lifespan=lifespan,
        asgi_routes=routes(bus, subjects, agency, status=lambda: {"ledger": to_builtins(client.ledger)}),
        logger=None,
        mounts={PREFIX: Api(client, token_hash)},
    )
    background(app, handlers.resend)
    return app, bus


def _declare(bus: Bus, identity: Identity, handlers: RequesterHandlers) -> None:
    """Every subject that the service publishes or receives."""
    subjects, agency = identity.subjects, identity.agency
    bus.publishes(
        subjects.request(agency, "{request_id}"),
        carries=Request,
        description="Signed requests, their particulars sealed to the record holder.",
    )
    bus.core_batches(
        subjects,
        subjects.release(agency, "{request_id}"),
        carries=Sealed,
        description="A verdict and its receipt, sealed to this agency, once the ledger holds it.",
    )(handlers.releases)
    bus.publishes(
        subjects.ack(agency, "{request_id}"),
        carries=Ack,
        description="Signed certificates that an answer is destroyed, once recalled or expired.",
    )
    bus.core(
        subjects.notice(agency),
        carries=Notice,
        description="A control or a recall with its receipt, once the ledger holds it.",
    )(handlers.notice)
