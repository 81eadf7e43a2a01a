"""A cluster of three nats-server processes, with the accounts of `glomar up`.

Node 0 is never killed: the test's own connections use it.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from glomar_local import ports
from glomar_local.ports import HOST
from glomar_local.provision.provision import System
from glomar_local.system.open_bus import open_bus
from glomar_local.system.process import program
from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.errors import GlomarError
from glomar_schemas.messages import Control

from tests.support.bus import Bus, err_code
from tests.support.controls import ControlPublisher
from tests.support.polling import until
from tests.support.wire import Refusal, Wire

NODES = 3
END_LIMIT_S = 180.0
ASK_LIMIT_S = 3.0
NOT_FOUND, SUBJECT_TAKEN = 10037, 10077


class Cluster:
    def __init__(self, system: System) -> None:
        self.system = system
        first, routes = ports.free(), ports.free()
        self.client_ports = (system.ports.bus, first.requester, first.verifier)
        self._route_ports = (routes.requester, routes.verifier, routes.auditor)
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def urls(self, first: int = 0) -> str:
        """For a service's settings, with that node first."""
        rotated = self.client_ports[first:] + self.client_ports[:first]
        return ",".join(f"nats://{HOST}:{port}" for port in rotated)

    def start_all(self) -> None:
        for node in range(NODES):
            self.start(node)
        until(self._is_open, "the cluster has a leader and the stream")

    def start(self, node: int) -> None:
        layout = self.system.layout
        conf = layout.nats_conf.with_name(f"node-{node}.conf")
        conf.write_text(self._conf(node), encoding="utf-8")
        with layout.log(f"node-{node}").open("ab") as log:
            command = [program("nats-server"), "--config", str(conf)]
            self._running[node] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, node: int) -> None:
        self._running[node].kill()
        self._running[node].wait(END_LIMIT_S)

    def close(self) -> None:
        for node in self._running:
            self.kill(node)

    def _conf(self, node: int) -> str:
        """The file that `glomar up` writes, with the node's own name, port and store, and its routes."""
        layout, text = self.system.layout, self.system.layout.nats_conf.read_text(encoding="utf-8")
        for old, new in {
            f"listen: {HOST}:{self.system.ports.bus}": f"listen: {HOST}:{self.client_ports[node]}",
            "server_name: glomar": f"server_name: node-{node}",
            f'store_dir: "{layout.nats_store.resolve()}"': f'store_dir: "{layout.nats_store}-{node}"',
        }.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        routes = ", ".join(f'"nats://{HOST}:{port}"' for port in self._route_ports)
        listen = f"{HOST}:{self._route_ports[node]}"
        return f"{text}\ncluster {{ name: glomar, listen: {listen}, routes: [{routes}] }}\n"

    def _is_open(self) -> bool:
        try:
            asyncio.run(open_bus(self.system, NODES))
        except GlomarError:
            return False
        return True


class ClusterBus(Bus):
    """Repeats what a leader does not answer, on a new connection."""

    def new_wire(self, party: str) -> Wire:
        return Wire(self.system.ports.bus, self.system.layout.nkey(party), ASK_LIMIT_S)

    def operate(self, path: str, body: object = None) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def answers() -> bool:
            nonlocal found
            found = self.try_ask(f"$JS.API.{path}", b"" if body is None else json.dumps(body).encode())
            return bool(found) and err_code(found) in (0, NOT_FOUND)

        until(answers, f"the leader answers {path}")
        return found

    def try_ask(self, subject: str, body: bytes) -> dict[str, Any]:
        """As the operator; empty if there is no answer in time."""
        try:
            return self.wire("bus").ask(subject.encode(), body)
        except (OSError, Refusal):
            self.forget("bus")
            return {}

    def leader(self) -> int | None:
        """The number of the node that leads the stream."""
        info = self.operate(f"STREAM.INFO.{self.subjects.stream}")
        name = info.get("cluster", {}).get("leader", "")
        return int(name.removeprefix("node-")) if name else None

    def is_whole(self) -> bool:
        """Whether every node has the whole stream."""
        found = self.operate(f"STREAM.INFO.{self.subjects.stream}").get("cluster", {})
        replicas = found.get("replicas", [])
        return len(replicas) == NODES - 1 and all(
            each["current"] and not each.get("offline") for each in replicas
        )


class ClusterControls(ControlPublisher):
    """Sends a control until it is stored in its slot."""

    def _store(self, control: Control, parties: Sequence[str]) -> tuple[int, int]:
        bus = self._bus
        assert isinstance(bus, ClusterBus)
        body = seal_envelope(control, self._signers(parties))

        def is_stored() -> bool:
            bus.try_ask(control.subject, body)
            stored = bus.at(control.subject)
            return stored is not None and stored.body == body

        until(is_stored, "the control is stored")
        self._slot += 1
        stored = bus.at(control.subject)
        assert stored is not None
        return control.slot, stored.sequence


class LeaderChanges(threading.Thread):
    """Makes the stream's leader step down every second or so, until `stop`."""

    def __init__(self, bus: ClusterBus, seed: str) -> None:
        super().__init__(daemon=True)
        self._bus = bus
        self._dice = random.Random(seed)
        self._stopped = threading.Event()
        self.changes = 0

    def run(self) -> None:
        path = f"$JS.API.STREAM.LEADER.STEPDOWN.{self._bus.subjects.stream}"
        # The first at once: a run on a fast machine ends within a second.
        while True:
            self.changes += bool(self._bus.try_ask(path, b"").get("success"))
            if self._stopped.wait(self._dice.uniform(0.5, 1.5)):
                return

    def stop(self) -> None:
        self._stopped.set()
        self.join(END_LIMIT_S)
        self._bus.close()


@contextlib.contextmanager
def clustered(system: System) -> Iterator[Cluster]:
    cluster = Cluster(system)
    try:
        cluster.start_all()
        yield cluster
    finally:
        cluster.close()
