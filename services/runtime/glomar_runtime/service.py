"""Runs a service: FastStream's application with its HTTP side, until a signal, a fatal error or a lost bus.

Called by the `serve` command of each service. What ends it decides the exit code.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import uvicorn
import uvloop
from faststream.asgi import AsgiFastStream
from faststream.asgi.types import ASGIApp, Receive, Scope, Send
from glomar_schemas.errors import Fatal, GlomarError, Retryable, Unreachable

from glomar_runtime.bus.broker import Bus
from glomar_runtime.settings import ServiceSettings
from glomar_runtime.telemetry import logs
from glomar_runtime.telemetry import spans as telemetry

log = logging.getLogger(__name__)


WATCH_EVERY_S = 1.0


class Stop:
    """How any part of a service ends it; the first cause counts."""

    def __init__(self) -> None:
        self.cause: GlomarError | None = None
        self.work_halted = False
        """While true a consumer that is gone does not end the service: it has stopped work, and says why."""
        self._event = asyncio.Event()

    def fail(self, cause: GlomarError) -> None:
        self.cause = self.cause or cause
        self._event.set()

    def request(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()


@contextlib.contextmanager
def stop_on_error(stop: Stop) -> Iterator[None]:
    """Around a handler: what can be tried again is left to the next delivery, all else ends the process.

    The start after that recovers from what is on disk; FastStream alone would hand over the next batch.
    """
    try:
        yield
    except Retryable as fault:
        log.warning("will be done later", extra={"fault": fault.what})
    except GlomarError as fault:
        stop.fail(fault)
    except OSError as error:
        stop.fail(Fatal(f"storage failed ({error.strerror})"))


def background(app: AsgiFastStream, job: Callable[[], Coroutine[None, None, None]]) -> None:
    """Runs a job beside the subscribers, from after the start until the shutdown."""
    running: list[asyncio.Task[None]] = []

    @app.after_startup
    async def begin() -> None:
        running.append(asyncio.create_task(job()))

    @app.on_shutdown
    async def cease() -> None:
        for task in running:
            task.cancel()


class MountedApp(AsgiFastStream):
    """FastStream's application with other ASGI applications under path prefixes; its own routes are exact."""

    def __init__(self, *arguments: Any, mounts: Mapping[str, ASGIApp], **options: Any) -> None:
        """mounts: path prefix, such as `/v1/` -> the application that answers below it."""
        super().__init__(*arguments, **options)
        self._mounts = mounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for prefix, mounted in self._mounts.items():
                if scope["path"].startswith(prefix):
                    return await mounted(scope, receive, send)
        return await super().__call__(scope, receive, send)


Build = Callable[[Stop], tuple[AsgiFastStream, Bus]]


def run(name: str, settings: ServiceSettings, build: Build) -> None:
    """Serves until told to stop. Raises the GlomarError that ended it, if one did."""
    logs.set_up(name)
    tune_garbage_collector()
    provider = telemetry.set_up(name, dict(os.environ))
    try:
        uvloop.run(_serve(settings, build))
    finally:
        provider.shutdown()


def tune_garbage_collector() -> None:
    """Messages make no cycles; by default the collector walks through all that waits every few hundred."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def _serve(settings: ServiceSettings, build: Build) -> None:
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.request)
    app, bus = build(stop)
    server = _Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))

    @app.after_startup
    async def say() -> None:
        log.info("serving", extra={"port": settings.http_port})

    with _listen(settings) as listener:
        async with app.start_lifespan_context():
            serving = asyncio.create_task(server.serve([listener]))
            watching = asyncio.create_task(_watch(bus, settings.disconnected_limit_s, stop))
            await stop.wait()
            server.should_exit = True
            watching.cancel()
            await asyncio.gather(serving, watching, return_exceptions=True)
    if stop.cause is not None:
        raise stop.cause
    log.info("stopped")


class _Server(uvicorn.Server):
    """Signals are ours: uvicorn would raise them again after its own shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(settings: ServiceSettings) -> socket.socket:
    """Before anything is started. Raises Unreachable; uvicorn would log an exception and exit."""
    address = (settings.http_host, settings.http_port)
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        raise Unreachable(
            f"no HTTP can be served there ({error.strerror})",
            where=f"{settings.http_host}:{settings.http_port}",
            fix="Set http_host and http_port to a free address of this machine",
        ) from None


async def _watch(bus: Bus, limit_s: float, stop: Stop) -> None:
    """nats-py can give up reconnecting without telling, and a consumer that was deleted just goes quiet: a
    service that gets no messages must not look alive."""
    lost_s = 0.0
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        try:
            if not bus.is_connected:
                raise Unreachable("no bus")
            await bus.check_consumers()
            lost_s = 0.0
        except Unreachable as fault:
            if not lost_s:
                log.warning("cut off", extra={"fault": fault.what})
            lost_s += WATCH_EVERY_S
            if lost_s >= limit_s and not (stop.work_halted and bus.is_connected):
                stop.fail(
                    Unreachable(
                        f"{fault.what} for {limit_s:.0f} s", fix="Mend the bus; then start this again"
                    )
                )
                return
