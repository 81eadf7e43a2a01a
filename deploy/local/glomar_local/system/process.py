"""One process of the system: started with its own log file, waited for, stopped."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from glomar_schemas.errors import Misconfigured, Unreachable
from msgspec import Struct

from glomar_local.ports import HOST

STOP_LIMIT_S = 10.0
"""Time between SIGTERM and SIGKILL."""
POLL_S = 0.02


class Command(Struct, frozen=True):
    """A process to run. ready_port: the HTTP port of its /ready; 0 if it has none."""

    name: str
    argv: tuple[str, ...]
    log: Path
    ready_port: int = 0


class Process:
    """A process that can be restarted."""

    def __init__(self, command: Command, env: dict[str, str], inherited: int) -> None:
        self.command = command
        self._env = env
        self._inherited = inherited
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        # A session of its own: Ctrl-C reaches the supervisor alone, which then stops all processes in order.
        with self.command.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
                pass_fds=(self._inherited,),
            )

    async def ended(self) -> int:
        """Waits for the process to end -> exit code, negative for a signal."""
        assert self._process is not None
        return await self._process.wait()

    async def ready(self, limit_s: float) -> None:
        """Returns once /ready answers 200, or once /status says that the service has halted.

        Raises Unreachable if it ends first, or takes too long.
        """
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + limit_s
        while not (await is_ready(self.command.ready_port) or await halted(self.command.ready_port)):
            if self._process.returncode is not None:
                raise Unreachable(
                    f"{self.name} did not start ({describe(self._process.returncode)})",
                    where=str(self.command.log),
                    fix=last_log_line(self.command.log),
                )
            if asyncio.get_running_loop().time() > deadline:
                raise Unreachable(
                    f"{self.name} is not ready after {limit_s:.0f} s",
                    where=str(self.command.log),
                    fix=last_log_line(self.command.log),
                )
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """Sends SIGTERM, and SIGKILL after the time limit."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), STOP_LIMIT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


def program(name: str) -> str:
    """The path of a program of this installation. Raises Misconfigured."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise Misconfigured(f"{name} is not installed", where=str(beside.parent), fix="Install Glomar again")
    return found


async def is_ready(port: int) -> bool:
    """True if /ready on that loopback port answers 200."""
    status, _ = await get(port, "/ready")
    return status == 200


async def halted(port: int) -> str:
    """Why the service on that port has halted, by its /status; "" if it has not."""
    status, body = await get(port, "/status")
    if status != 200:
        return ""
    try:
        return str(json.loads(body)["halted"]["what"])
    except (ValueError, KeyError, TypeError):
        return ""


async def get(port: int, path: str, limit_s: float = 5.0) -> tuple[int, str]:
    """HTTP GET on loopback -> (status, body); status 0 without an answer in time."""
    try:
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection(HOST, port)
            with contextlib.closing(writer):
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
    except (OSError, TimeoutError):
        return 0, ""
    head, _, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
    words = head.split(" ", 2)
    return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 0), body


def describe(code: int) -> str:
    """How a process ended, in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def last_log_line(log: Path) -> str:
    """The last line of a log, or its message where the line is JSON."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "")
    try:
        return str(json.loads(last)["message"])
    except (ValueError, KeyError, TypeError):
        return last[:300]
