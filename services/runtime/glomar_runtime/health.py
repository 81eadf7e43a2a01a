"""Health of a service over HTTP: /live (the loop turns), /ready (it could do its work now) and /status.

Readiness writes a canary through the store: with a full disk nats-server's own health page still says ok.
"""

import json
from collections.abc import Awaitable, Callable, Mapping

from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import ASGIApp, Scope
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.errors import GlomarError, Unreachable
from glomar_schemas.publish import Outgoing, store
from glomar_schemas.subjects import Subjects

from glomar_runtime.bus.broker import Bus

Check = Callable[[], Awaitable[None]]
"""Returns when well; raises a GlomarError that says what is wrong."""


Status = Callable[[], dict[str, object]]
"""What the service would show of itself, ready for JSON; never anything about a person."""
STATUS_VERSION = 1


def routes(
    bus: Bus,
    subjects: Subjects,
    party: str,
    *,
    status: Status | None = None,
    checks: Mapping[str, Check] | None = None,
) -> list[tuple[str, ASGIApp]]:
    """The ASGI routes of a service, to be given to AsgiFastStream. checks: of its own, besides the bus's."""
    checks = {"store": _canary(bus, subjects, party), "consumers": bus.check_consumers, **(checks or {})}

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

    @get(description="What is in force and how far it has come")
    async def shown(scope: Scope) -> AsgiResponse:
        found = {"version": STATUS_VERSION, "agreement": subjects.agreement, **(status() if status else {})}
        return AsgiResponse(json.dumps(found).encode(), 200, {"content-type": "application/json"})

    return [("/live", live), ("/ready", ready), ("/status", shown)]


def control_status(in_force: InForce) -> dict[str, object]:
    """The part of a status that says which control is the last one, and which holds are in force."""
    holds = [{"slot": hold.slot, "scope": hold.scope, "authority": hold.authority} for hold in in_force.holds]
    return {"control_slot": in_force.slot, "holds": holds}


def _canary(bus: Bus, subjects: Subjects, party: str) -> Check:
    """A check that stores one message durably, in a stream of its own that keeps only the newest."""

    async def check() -> None:
        if not bus.is_connected:
            # At once, and not after the time that a store may take.
            raise Unreachable("no connection to the bus", where="bus")
        await store(bus.client, Outgoing(subjects.canary(party), b"canary", {}))

    return check
