"""The requester's side of a benchmark: reads commands on stdin, measures times, reports on stdout.

The same code measures product and peer, so that no difference between them comes from the measuring.
"""

import asyncio
import gc
import random
import sys
import time
from typing import Protocol

import msgspec
from msgspec import Struct

PAUSE_S = (0.01, 0.03)
"""Between single requests at low load: some 40 a second, not in phase with any timer."""


class Command(Struct, frozen=True):
    """Send requests number `first` to `first + count - 1`; alone: one at a time, with pauses."""

    alone: bool
    first: int
    count: int


class Report(Struct, frozen=True):
    """seconds: from the first submit to the last checked answer; wrong: answers other than the right one."""

    seconds: float
    answers: int
    wrong: int
    latencies_ms: list[float] = []


class BenchRequester(Protocol):
    """Both methods return the number of wrong answers; they raise if an answer does not come."""

    async def ask(self, number: int) -> int: ...

    async def ask_all(self, numbers: range) -> int: ...


async def serve_commands(requester: BenchRequester) -> None:
    """Carries out commands until stdin ends."""
    # The loaded objects stay in memory; the garbage collector need not examine them during the run.
    gc.collect()
    gc.freeze()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while line := await lines.readline():
        command = msgspec.json.decode(line, type=Command)
        report = await (_alone(requester, command) if command.alone else _together(requester, command))
        print(msgspec.json.encode(report).decode(), flush=True)


async def _alone(requester: BenchRequester, command: Command) -> Report:
    dice = random.Random(command.first)
    latencies, wrong, started = [], 0, time.perf_counter()
    for number in range(command.first, command.first + command.count):
        await asyncio.sleep(dice.uniform(*PAUSE_S))
        sent = time.perf_counter()
        wrong += await requester.ask(number)
        latencies.append((time.perf_counter() - sent) * 1000)
    return Report(time.perf_counter() - started, command.count, wrong, sorted(latencies))


async def _together(requester: BenchRequester, command: Command) -> Report:
    started = time.perf_counter()
    wrong = await requester.ask_all(range(command.first, command.first + command.count))
    return Report(time.perf_counter() - started, command.count, wrong)
