"""Runs the whole system: trace receiver, nats-server, the three services.

It starts them in order, restarts a process that ends, and stops them in reverse order. The trace receiver
runs in the supervisor's process; each of the others is a process of its own.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from glomar_schemas.errors import Fatal, GlomarError, IntegrityError, Misconfigured

from glomar_local.ports import HOST, require_free
from glomar_local.provision.provision import System
from glomar_local.provision.settings_files import SERVICES
from glomar_local.system import runfile
from glomar_local.system.open_bus import open_bus
from glomar_local.system.process import Command, Process, describe, halted, last_log_line, program
from glomar_local.traces.otlp_receiver import receiving

READY_LIMIT_S = 60.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
SETTLED_S = 30.0
"""A process that ran this long counts as healthy: the delay before its next restart is the first one."""

NEEDS_A_PERSON: dict[int, type[Fatal]] = {
    Misconfigured.exit_code: Misconfigured,
    IntegrityError.exit_code: IntegrityError,
}
"""Exit codes after which a restart can't help and might hide evidence."""

Say = Callable[[str], None]
T = TypeVar("T")


class Supervisor:
    """The running system. `failure` is set when it can't go on; the caller waits for it."""

    def __init__(self, system: System, processes: Sequence[Process], say: Say) -> None:
        self.system = system
        self.failure: asyncio.Future[GlomarError] = asyncio.get_running_loop().create_future()
        self._processes = processes
        self._say = say
        self._restarters: list[asyncio.Task[None]] = []
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")

    @property
    def pids(self) -> dict[str, int]:
        return {"supervisor": os.getpid(), **{process.name: process.pid for process in self._processes}}

    async def alongside(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine beside the system. Raises the failure if the system fails first."""
        task = asyncio.ensure_future(work)
        try:
            either: list[asyncio.Future[Any]] = [task, self.failure]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise self.failure.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def start(self) -> None:
        """Returns once every service is ready or has halted. Raises Unreachable, IntegrityError."""
        bus, *services = self._processes
        await bus.start()
        await open_bus(self.system)
        for service in services:
            await service.start()
        self._write_runfile()
        await asyncio.gather(*(service.ready(READY_LIMIT_S) for service in services))
        for service in services:
            if why := await halted(service.command.ready_port):
                self._say(f"{service.name}: releases are halted: {why}. See: glomar status")
        self._restarters = [asyncio.create_task(self._restart(process)) for process in self._processes]

    async def stop(self) -> None:
        """Stops every process in reverse order of starting."""
        for restarter in self._restarters:
            restarter.cancel()
        await asyncio.gather(*self._restarters, return_exceptions=True)
        for process in reversed(self._processes):
            await process.stop()

    async def _restart(self, process: Process) -> None:
        delay_s = FIRST_DELAY_S
        clock = asyncio.get_running_loop().time
        while True:
            since = clock()
            code = await process.ended()
            if fault := NEEDS_A_PERSON.get(code):
                self._fail(
                    fault(
                        f"{process.name} stopped for good ({describe(code)})",
                        where=str(process.command.log),
                        fix=last_log_line(process.command.log),
                    )
                )
                return
            delay_s = FIRST_DELAY_S if clock() - since > SETTLED_S else delay_s
            self._say(f"{process.name} ended ({describe(code)}); restarting it. Log: {process.command.log}")
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            await process.start()
            self._write_runfile()

    def _fail(self, fault: GlomarError) -> None:
        if not self.failure.done():
            self.failure.set_result(fault)

    def _write_runfile(self) -> None:
        others = {each.agreement.id: each.ports for each in self.system.others}
        run = runfile.Run(pids=self.pids, ports=self.system.ports, others=others, started_at=self._started_at)
        runfile.write(self.system.layout, run)


@contextlib.asynccontextmanager
async def running(system: System, lock: int, say: Say) -> AsyncIterator[Supervisor]:
    """The system, from ready to stopped; `lock` is the result of `runfile.claim`.

    Raises Misconfigured (a port is taken), Unreachable (something does not start), IntegrityError.
    """
    for each in system.all:
        require_free(each.ports)
    async with receiving(system.layout.traces, system.ports.traces):
        processes = [Process(command, environment(system), lock) for command in commands(system)]
        supervisor = Supervisor(system, processes, say)
        try:
            await supervisor.start()
            yield supervisor
        finally:
            await supervisor.stop()


def commands(system: System) -> list[Command]:
    """What runs, in the order of starting; the bus comes first."""
    layout = system.layout
    bus = (program("nats-server"), "--config", str(layout.nats_conf))
    services = [
        Command(
            service if each is system else runfile.name_beside(service, each.agreement.id),
            (program(f"glomar-{service}"), "serve", "--config", str(each.layout.settings(service))),
            each.layout.log(service),
            each.ports.named()[service],
        )
        for each in system.all
        for service in SERVICES
    ]
    return [Command("nats-server", bus, layout.log("nats-server")), *services]


def environment(system: System) -> dict[str, str]:
    """The caller's environment; traces go to our receiver unless a collector is set."""
    defaults = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{system.ports.traces}",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
    return {**defaults, **os.environ}


class Interrupted(Exception):
    """The work was cancelled by a signal, and has cleaned up."""


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """Runs the work to its end. Raises Interrupted after a signal; further signals change nothing."""
    return asyncio.run(_run(work))


async def _run(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    signalled = False

    def stop() -> None:
        # Once only: a second cancellation would interrupt the clean-up, and processes would stay.
        nonlocal signalled
        if not signalled:
            signalled = True
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        raise Interrupted from None
