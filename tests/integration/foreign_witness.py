"""`aics-witness`, a C2SP tlog-witness of another author, as a process; and `aics-tlog`, a verifier."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from glomar_local import ports

from tests.support.polling import wait_until

INSTALLED = Path(__file__).parents[2] / ".tools" / "foreign"
LIMIT_S = 30.0


def run(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs one of its commands, on the interpreter of the tests."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=_environment(), cwd=cwd, capture_output=True, text=True, check=False)


def _environment() -> dict[str, str]:
    if not (INSTALLED / ".installed").exists():
        pytest.fail("the foreign witness is missing: make .tools/foreign/.installed", pytrace=False)
    return os.environ | {"PYTHONPATH": str(INSTALLED)}


class ForeignWitness:
    """vkey: of its cosignatures; url: its submission prefix, served within `serving`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._port = ports.free().bus
        self.url = f"http://{ports.HOST}:{self._port}"
        listen = f"{ports.HOST}:{self._port}"
        vkey = self._run("init", "--name", "witness.example/w1", "--listen", listen)
        self.vkey = vkey.strip()

    def trust(self, origin: str, vkey: str) -> None:
        self._run("add-log", "--origin", origin, "--vkey", vkey)

    def log(self) -> dict[str, Any]:
        """The state of the one log that it trusts."""
        [log] = json.loads(self._run("status", "--json"))["logs"]
        assert isinstance(log, dict)
        return log

    @contextmanager
    def serving(self) -> Iterator[None]:
        command = [sys.executable, "-m", "aics_witness", "serve", "--config", "witness.json"]
        with (self._folder / "log").open("w") as log:
            process = subprocess.Popen(
                command, env=_environment(), cwd=self._folder, stdout=log, stderr=log, text=True
            )
        try:
            assert wait_until(self._answers, LIMIT_S), (self._folder / "log").read_text()
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LIMIT_S)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(ports.HOST, self._port, timeout=LIMIT_S)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _run(self, *arguments: str) -> str:
        done = run("aics_witness", *arguments, "--config", "witness.json", cwd=self._folder)
        assert done.returncode == 0, done.stderr
        return done.stdout
