"""Processes of a benchmark: the requester, which takes commands, and the CPU and memory of each (/proc)."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tests.bench.commands import Command, Report
from tests.bench.figures import Cost, Failed

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 60.0
RUN_LIMIT_S = 900.0
STOP_LIMIT_S = 15.0
SETTLE_S = 1.0
"""After the last answer, until the rest of the work is done (spans, ledger tiles)."""
QUIET_FOR_S, QUIET_CORES = 2.0, 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


class RequesterProcess:
    """A requester's process that is ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def run(self, first: int, count: int, *, alone: bool) -> Report:
        """Raises Failed when answers are lost or wrong, or the process ends."""
        assert self._process.stdin
        self._process.stdin.write(msgspec.json.encode(Command(alone, first, count)) + b"\n")
        report = msgspec.json.decode(await read_line(self._process, RUN_LIMIT_S), type=Report)
        if report.wrong or report.answers != count:
            raise Failed(f"{report.wrong} of {count} answers are wrong, {count - report.answers} are lost")
        return report


async def read_line(process: asyncio.subprocess.Process, limit_s: float) -> bytes:
    """The next line of the process. Raises Failed if it ends or prints none within the limit."""
    assert process.stdout
    try:
        line = await asyncio.wait_for(process.stdout.readline(), limit_s)
    except TimeoutError:
        raise Failed(f"process {process.pid} printed nothing for {limit_s:.0f} s") from None
    if not line:
        raise Failed(f"process {process.pid} ended")
    return line


@asynccontextmanager
async def started(
    arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with pipes to stdin and stdout; at the end SIGTERM, then SIGKILL if it still runs."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(env or {})},
            cwd=ROOT,
            limit=1 << 24,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
            except TimeoutError:
                process.kill()
                await process.wait()


@asynccontextmanager
async def requester_process(
    module: str, arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[RequesterProcess]:
    """Runs `python -m module`, which takes commands. Raises Failed if it does not become ready."""
    async with started((sys.executable, "-m", module, *arguments), log, env) as process:
        await read_line(process, START_LIMIT_S)
        yield RequesterProcess(process)


class Meter:
    """CPU and memory of named processes between `start` and `read`."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._before: dict[str, float] = {}
        self._machine_s = self._at = 0.0

    def start(self) -> None:
        self._before = {name: cpu_s(pid) for name, pid in self._pids.items()}
        self._machine_s, self._at = machine_cpu_s(), time.monotonic()

    async def read(self, requests: int) -> tuple[list[Cost], float]:
        """The cost of each process, and the number of cores that all other processes kept busy."""
        await asyncio.sleep(SETTLE_S)
        used_s = {name: cpu_s(pid) - self._before[name] for name, pid in self._pids.items()}
        others_s = machine_cpu_s() - self._machine_s - sum(used_s.values())
        costs = [
            Cost(name, used_s[name] / requests * 1e6, memory_mb(pid, "VmRSS"), memory_mb(pid, "VmHWM"))
            for name, pid in self._pids.items()
        ]
        return costs, max(0.0, others_s / (time.monotonic() - self._at))


async def quiet(limit_s: float) -> bool:
    """Waits until the machine is nearly idle. False: it was not within the limit."""
    deadline = time.monotonic() + limit_s
    while True:
        busy_s = machine_cpu_s()
        await asyncio.sleep(QUIET_FOR_S)
        if machine_cpu_s() - busy_s < QUIET_CORES * QUIET_FOR_S:
            return True
        if time.monotonic() > deadline:
            return False


def machine_cpu_s() -> float:
    """Busy time of all cores (proc(5), stat: all but idle and waiting for a disk)."""
    with Path("/proc/stat").open(encoding="utf-8") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, file.readline().split()[1:])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def cpu_s(pid: int) -> float:
    """User and system time of all threads (proc(5): fields 14 and 15 of stat)."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def memory_mb(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1]) / 1024
