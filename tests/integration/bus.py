"""A bus without services: nats-server with the accounts of an agreement, its stream and its first control.

Used where a test wants to be a party itself. The configuration is the one that `glomar up` writes.
"""

import asyncio
import subprocess
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from glomar_local import ports
from glomar_local.child import program
from glomar_local.layout import Layout
from glomar_local.opening import connected, open_bus
from glomar_local.provision import System, provision
from glomar_runtime.delivery import time_ns
from glomar_schemas.agreement import load_agreement, load_trust
from nats.aio.client import Client

from tests.integration.conftest import Up

T = TypeVar("T")

STOP_LIMIT_S = 20.0


@contextmanager
def bare_bus(root: Path, source: Path | None = None) -> Iterator[System]:
    """source: the text of an agreement, if not the shipped one."""
    system = provision(Layout(root.resolve()), ports.free(), source)
    with system.layout.log("nats-server").open("ab") as log:
        command = [program("nats-server"), "--config", str(system.layout.nats_conf)]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        asyncio.run(open_bus(system))
        yield system
    finally:
        server.terminate()
        server.wait(STOP_LIMIT_S)


def system_of(running: Up) -> System:
    """What `glomar up` has provisioned, looked at without changing it."""
    layout = running.layout
    return System(layout, running.ports, load_agreement(layout.agreement, load_trust(layout.trust)))
