"""The system without its supervisor: each process is started, stopped, killed and started again by the test.

For faults that the supervisor would repair, and for what a service prints when it ends.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from glomar_local.ports import HOST
from glomar_local.provision.provision import System
from glomar_local.provision.settings_files import SERVICES
from glomar_local.system.open_bus import open_bus
from glomar_local.system.supervisor import commands
from msgspec.structs import replace

from tests.support.closing import Closing
from tests.support.polling import until

BUS = "nats-server"
END_LIMIT_S = 180.0


class Processes(Closing):
    """The processes of one data directory, by name: nats-server, auditor, verifier, requester."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._commands = {command.name: command for command in commands(system)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_bus(self, *arguments: str) -> None:
        """Returns once it accepts connections. Creates the stream and its consumers if they are missing."""
        self.start_bus_alone(*arguments)
        asyncio.run(open_bus(self.system))

    def start_bus_alone(self, *arguments: str) -> None:
        """Creates nothing in it."""
        self.start(BUS, (*self._commands[BUS].argv, *arguments))
        until(self._takes_connections, "nats-server listens")

    def start_all(self) -> None:
        self.start_bus()
        for service in SERVICES:
            self.start(service)
        for service in SERVICES:
            self.until_ready(service)

    def start(self, name: str, argv: Sequence[str] | None = None, **settings: str) -> None:
        """settings: override the service's settings file: disconnected_limit_s="2"."""
        environment = {**os.environ, **{f"GLOMAR_{key.upper()}": value for key, value in settings.items()}}
        with self._commands[name].log.open("ab") as log:
            self._running[name] = subprocess.Popen(
                argv or self._commands[name].argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    def start_beside(self, name: str, other: str, port: int, **settings: str) -> None:
        """A second process of a service, under another name, with its own port and log."""
        log = self._commands[name].log.with_name(f"{other}.log")
        self._commands[other] = replace(self._commands[name], name=other, log=log, ready_port=port)
        self.start(other, http_port=str(port), **settings)

    def until_ready(self, name: str) -> None:
        assert self.works_or_ends(name), f"{name} ended: {self.log_text(name)}"

    def _takes_connections(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.system.ports.bus)) == 0

    def works_or_ends(self, name: str) -> bool:
        """Waits for one of the two: True once it is ready, False if it has ended."""
        until(lambda: self.is_ready(name) or not self.is_running(name), f"{name} works or ends")
        return self.is_running(name)

    def is_unready(self, name: str) -> bool:
        return not self.is_ready(name)

    def is_ready(self, name: str) -> bool:
        url = f"http://{HOST}:{self._commands[name].ready_port}/ready"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def status(self, name: str) -> dict[str, Any]:
        """Its /status; empty while there is no answer."""
        return get_json(f"http://{HOST}:{self._commands[name].ready_port}/status")

    def is_running(self, name: str) -> bool:
        return self._running[name].poll() is None

    def kill(self, name: str) -> None:
        self._running[name].kill()
        assert self._running[name].wait(END_LIMIT_S) == -signal.SIGKILL

    def stop(self, name: str) -> None:
        self._running[name].terminate()
        self._running[name].wait(END_LIMIT_S)

    def exit_code(self, name: str, limit_s: float = END_LIMIT_S) -> int:
        """Waits until it ends."""
        return self._running[name].wait(limit_s)

    def log_text(self, name: str) -> str:
        """The content of its log."""
        return self._commands[name].log.read_text()

    def close(self) -> None:
        """Kills what still runs, the last started first."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                process.kill()
                process.wait(END_LIMIT_S)


def get_json(url: str) -> dict[str, Any]:
    """Empty while there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as refusal:
        refused: dict[str, Any] = json.load(refusal)
        return refused
    except (urllib.error.URLError, OSError):
        return {}


def plain_lines(log: str) -> list[str]:
    """The lines of a service's stderr that are not log records: those for the person who started it."""
    return [line for line in log.splitlines() if line.strip() and not _is_record(line)]


def _is_record(line: str) -> bool:
    try:
        return "level" in json.loads(line)
    except (ValueError, TypeError):
        return False
