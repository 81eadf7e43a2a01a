"""Runs the whole system: trace receiver, nats-server, the three services. Called by `up`, `demo` and tests.

Starts in order, keeps alive what dies, stops in reverse order. Everything is a process of its own but the
receiver, which is cheap enough to live here.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from glomar_schemas.errors import Fatal, GlomarError, IntegrityError, Misconfigured

from glomar_local.ports import HOST, require_free
from glomar_local.provision.provision import System
from glomar_local.provision.settings_files import SERVICES
from glomar_local.system import runfile
from glomar_local.system.open_bus import open_bus
from glomar_local.system.process import Child, Command, describe, halted, last_words, program
from glomar_local.traces.otlp_receiver import receiving

READY_LIMIT_S = 60.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
SETTLED_S = 30.0
"""After so long alive, the next death is taken for a new fault and not for the same one again."""

NEEDS_A_PERSON: dict[int, type[Fatal]] = {
    Misconfigured.exit_code: Misconfigured,
    IntegrityError.exit_code: IntegrityError,
}
"""Exit codes after which starting again can't help, and might hide evidence."""

Say = Callable[[str], None]
T = TypeVar("T")


class Supervisor:
    """The running system. `failure` is set when it can't go on; whoever runs it waits for that."""

    def __init__(self, system: System, children: Sequence[Child], say: Say) -> None:
        self.system = system
        self.failure: asyncio.Future[GlomarError] = asyncio.get_running_loop().create_future()
        self._children = children
        self._say = say
        self._keepers: list[asyncio.Task[None]] = []
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")

    @property
    def pids(self) -> dict[str, int]:
        return {"supervisor": os.getpid(), **{child.name: child.pid for child in self._children}}

    async def alongside(self, work: Coroutine[Any, Any, T]) -> T:
        """Does the work while the system runs. Raises the failure if the system fails before it is done."""
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
        """Returns once every service can work or says why it halted. Raises Unreachable, IntegrityError."""
        bus, *services = self._children
        await bus.start()
        await open_bus(self.system)
        for service in services:
            await service.start()
        self._note()
        await asyncio.gather(*(service.ready(READY_LIMIT_S) for service in services))
        for service in services:
            if why := await halted(service.command.ready_port):
                self._say(f"{service.name}: releases are halted: {why}. See: glomar status")
        self._keepers = [asyncio.create_task(self._keep(child)) for child in self._children]

    async def stop(self) -> None:
        """Ends every process, the last started first; returns when none is left."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for child in reversed(self._children):
            await child.stop()

    async def _keep(self, child: Child) -> None:
        delay_s = FIRST_DELAY_S
        clock = asyncio.get_running_loop().time
        while True:
            since = clock()
            code = await child.ended()
            if fault := NEEDS_A_PERSON.get(code):
                self._fail(
                    fault(
                        f"{child.name} stopped for good ({describe(code)})",
                        where=str(child.command.log),
                        fix=last_words(child.command.log),
                    )
                )
                return
            delay_s = FIRST_DELAY_S if clock() - since > SETTLED_S else delay_s
            self._say(f"{child.name} ended ({describe(code)}); starting it again. Log: {child.command.log}")
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            await child.start()
            self._note()

    def _fail(self, fault: GlomarError) -> None:
        if not self.failure.done():
            self.failure.set_result(fault)

    def _note(self) -> None:
        others = {each.agreement.id: each.ports for each in self.system.others}
        run = runfile.Run(pids=self.pids, ports=self.system.ports, others=others, started_at=self._started_at)
        runfile.write(self.system.layout, run)


@contextlib.asynccontextmanager
async def running(system: System, lock: int, say: Say) -> AsyncIterator[Supervisor]:
    """The system, from ready to stopped; `lock` is what `runfile.claim` gave.

    Raises Misconfigured (a port is taken), Unreachable (something does not start), IntegrityError.
    """
    for each in system.all:
        require_free(each.ports)
    async with receiving(system.layout.traces, system.ports.traces):
        children = [Child(command, environment(system), lock) for command in commands(system)]
        supervisor = Supervisor(system, children, say)
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
    """The caller's, with traces going to our receiver unless they already go to a collector."""
    defaults = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{system.ports.traces}",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
    return {**defaults, **os.environ}
