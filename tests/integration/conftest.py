"""One running system for the session, started as a user starts it: `glomar up` on free ports."""

import json
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from glomar_local.layout import Layout
from glomar_local.ports import Ports
from glomar_local.provision.provision import provision
from glomar_local.system import runfile
from glomar_local.system.process import program
from msgspec import Struct

if TYPE_CHECKING:
    from tests.integration.bus import Bus

START_LIMIT_S = 180.0
STOP_LIMIT_S = 180.0


class Up(Struct, frozen=True):
    """A `glomar up` that is ready. process: its own; pids of all change when one is started again."""

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


@contextmanager
def up(data_dir: Path, *arguments: str) -> Iterator[Up]:
    """Starts a system on free ports and stops it with SIGTERM, if the test has not."""
    command = [program("glomar"), "up", "--data-dir", str(data_dir), "--port", "0", "--json", *arguments]
    log = data_dir.parent / f"{data_dir.name}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_LIMIT_S)
        line = process.stdout.readline() if ready else ""
        assert line, f"glomar up did not get ready: {log.read_text()}"
        yield Up(Layout(data_dir.resolve()), process, json.loads(line)["token"])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The one that tests share: whoever stops or kills something starts its own with `up`."""
    with up(tmp_path_factory.mktemp("system") / "data") as running:
        yield running


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Up]:
    """A system of the test's own, which it may stop, kill and change."""
    with up(tmp_path / "data") as started:
        yield started


@pytest.fixture
def bus(running: Up) -> Iterator["Bus"]:
    """The bus of `running`, as its operator sees it."""
    from tests.integration.bus import watching

    with watching(provision(running.layout, running.ports)) as found:
        yield found


def wait_until(condition: object, limit_s: float = 120.0) -> bool:
    """Polls a callable until it is true; False when the time is over."""
    assert callable(condition)
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
