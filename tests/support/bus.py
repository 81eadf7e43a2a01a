"""A bus without services: nats-server with the accounts of an agreement, its stream and its first control.

For tests that act as a party themselves. The configuration is the one that `glomar up` writes. The stream
is read as the operator, without any service.
"""

import asyncio
import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glomar_local import ports
from glomar_local.layout import Layout
from glomar_local.provision.credentials import OPERATOR
from glomar_local.provision.provision import System, provision
from glomar_local.system.open_bus import open_bus
from glomar_local.system.process import program
from glomar_runtime.bus.connection import plain_subject
from glomar_runtime.bus.stream import Stored, time_ns
from glomar_schemas.agreement.versions import bundled_agreement
from nats.aio.client import Client

from tests.support.closing import Closing
from tests.support.wire import Wire

STOP_LIMIT_S = 180.0


class Bus(Closing):
    """A running bus: raw connections of its parties, and the messages of its stream."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.subjects = system.subjects
        self._wires: dict[str, Wire] = {}

    def wire(self, party: str) -> Wire:
        """The party's one raw connection. A test that may end a connection opens its own with `new_wire`."""
        if party not in self._wires:
            self._wires[party] = self.new_wire(party)
        return self._wires[party]

    def forget(self, party: str) -> None:
        """Closes the party's connection; the next `wire` opens a new one."""
        if party in self._wires:
            self._wires.pop(party).close()

    def new_wire(self, party: str) -> Wire:
        return Wire(self.system.ports.bus, self.system.layout.nkey(party))

    def operate(self, path: str, body: object = None) -> dict[str, Any]:
        """One call of the JetStream API as the operator -> the answer, which may be an error."""
        raw = b"" if body is None else json.dumps(body).encode()
        return self.wire(OPERATOR).ask(f"$JS.API.{path}".encode(), raw)

    def last_sequence(self) -> int:
        state = self.operate(f"STREAM.INFO.{self.subjects.stream}")["state"]
        return int(state["last_seq"])

    def message(self, query: dict[str, object]) -> Stored | None:
        """query: {"seq": …} or {"last_by_subj": …}; None if the stream holds no such message."""
        found = self.operate(f"STREAM.MSG.GET.{self.subjects.stream}", query).get("message")
        if found is None:
            return None
        body = base64.b64decode(found.get("data", ""))
        return Stored(found["seq"], time_ns(found["time"]), plain_subject(found["subject"].encode()), body)

    def at(self, subject: str) -> Stored | None:
        """The one message of a write-once subject."""
        return self.message({"last_by_subj": subject})

    def messages(self, first: int = 1) -> list[Stored]:
        """All messages of the stream from that sequence on."""
        found = [self.message({"seq": n}) for n in range(first, self.last_sequence() + 1)]
        return [each for each in found if each is not None]

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()


@contextmanager
def bare_bus(root: Path, source: Path | None = None) -> Iterator[Bus]:
    """source: the file of an agreement, if not the bundled one."""
    system = provision(Layout(root.resolve()), ports.free(), source)
    with system.layout.log("nats-server").open("ab") as log:
        command = [program("nats-server"), "--config", str(system.layout.nats_conf)]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        asyncio.run(open_bus(system))
        with Bus(system) as bus:
            yield bus
    finally:
        server.terminate()
        server.wait(STOP_LIMIT_S)


def agreement_text(path: Path, changes: dict[str, str]) -> Path:
    """Writes the bundled agreement to `path`, each old text replaced. Each must be there exactly once."""
    text = bundled_agreement().read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


async def settle(client: Client) -> None:
    """Returns once the server has processed what the client sent.

    nats-py writes the ping of a flush before the commands in its queue, so one flush is not enough.
    """
    for _ in range(2):
        await client.flush()


def err_code(answer: dict[str, Any]) -> int:
    """The server's err_code; 0 if the answer is no error."""
    code: int = answer.get("error", {}).get("err_code", 0)
    return code
