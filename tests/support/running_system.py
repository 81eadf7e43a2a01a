"""A whole system, started as a user starts it: `glomar up` on free ports."""

import json
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glomar_local.layout import Layout
from glomar_local.ports import Ports
from glomar_local.provision.provision import System
from glomar_local.system import runfile
from glomar_local.system.process import program
from glomar_schemas.agreement.model import load_agreement, load_trust
from msgspec import Struct

START_LIMIT_S = 180.0
STOP_LIMIT_S = 180.0


class RunningSystem(Struct, frozen=True):
    """A `glomar up` that is ready. process: of `glomar up` itself. A service that restarts has a new pid."""

    layout: Layout
    process: subprocess.Popen[str]
    token: str

    @property
    def run(self) -> runfile.Run:
        found = runfile.read(self.layout)
        assert found is not None
        return found

    @property
    def pids(self) -> dict[str, int]:
        return self.run.pids

    @property
    def ports(self) -> Ports:
        return self.run.ports

    def has_restarted(self, name: str, pid: int) -> bool:
        """Whether the process of that name no longer has that id."""
        return self.pids[name] != pid


@contextmanager
def glomar_up(data_dir: Path, *arguments: str) -> Iterator[RunningSystem]:
    """Starts a system on free ports. Stops it with SIGTERM, unless the test has stopped it."""
    command = [program("glomar"), "up", "--data-dir", str(data_dir), "--port", "0", "--json", *arguments]
    log = data_dir.parent / f"{data_dir.name}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_LIMIT_S)
        line = process.stdout.readline() if ready else ""
        assert line, f"glomar up did not get ready: {log.read_text()}"
        yield RunningSystem(Layout(data_dir.resolve()), process, json.loads(line)["token"])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def system_of(running: RunningSystem) -> System:
    """What `glomar up` has provisioned, read without a change."""
    layout = running.layout
    return System(layout, running.ports, load_agreement(layout.agreement, load_trust(layout.trust)))
