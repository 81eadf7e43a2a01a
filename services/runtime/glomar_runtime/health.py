"""Health of a service over HTTP: /live (the loop turns) and /ready (it could do its work now).

Readiness writes a canary through the store: with a full disk nats-server's own health page still says ok.
"""

import json
from collections.abc import Awaitable, Callable

from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import ASGIApp, Scope
from glomar_schemas.batch import Outgoing, store
from glomar_schemas.errors import GlomarError, Unreachable
from glomar_schemas.subjects import Subjects

from glomar_runtime.bus import Bus

Check = Callable[[], Awaitable[None]]
"""Returns when well; raises a GlomarError that says what is wrong."""


def routes(bus: Bus, subjects: Subjects, party: str) -> list[tuple[str, ASGIApp]]:
    """The ASGI routes of a service, to be given to AsgiFastStream."""
    checks = {"store": _canary(bus, subjects, party), "consumers": bus.check_consumers}

    @get(description="200 while the process answers")
    async def live(scope: Scope) -> AsgiResponse:
        return AsgiResponse(b'{"live": true}', 200, {"content-type": "application/json"})

    @get(description="200 if every check passes, 503 with the faults otherwise")
    async def ready(scope: Scope) -> AsgiResponse:
        faults = {}
        for name, check in checks.items():
            try:
                await check()
            except GlomarError as error:
                faults[name] = error.what
        body = json.dumps({"ready": not faults, "faults": faults}).encode()
        return AsgiResponse(body, 503 if faults else 200, {"content-type": "application/json"})

    return [("/live", live), ("/ready", ready)]


def _canary(bus: Bus, subjects: Subjects, party: str) -> Check:
    """A check that stores one message durably, in a stream of its own that keeps only the newest."""

    async def check() -> None:
        if not bus.is_connected:
            # At once, and not after the time that a store may take.
            raise Unreachable("no connection to the bus", where="bus")
        await store(bus.client, Outgoing(subjects.canary(party), b"canary", {}))

    return check
