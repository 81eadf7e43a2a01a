"""The asking process's side of a benchmark: takes orders on stdin, times itself, reports on stdout.

The same code times product and peer, so that a difference between them is never one of measuring.
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
"""Between single requests at low load: some 40 a second, out of step with every timer."""


class Command(Struct, frozen=True):
    """requests number `first` to `first + count - 1`; alone: one at a time, with pauses."""

    alone: bool
    first: int
    count: int


class Report(Struct, frozen=True):
    """seconds: from the first submit to the last checked answer; wrong: answers other than the right one."""

    seconds: float
    answers: int
    wrong: int
    latencies_ms: list[float] = []


class Asker(Protocol):
    """A requester. Both return how many of the answers are wrong; an answer that does not come raises."""

    async def ask(self, number: int) -> int: ...

    async def ask_all(self, numbers: range) -> int: ...


async def serve_commands(asker: Asker) -> None:
    """Carries out orders until stdin ends."""
    # What is loaded by now stays; walking it again and again is no part of asking.
    gc.collect()
    gc.freeze()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while line := await lines.readline():
        command = msgspec.json.decode(line, type=Command)
        report = await (_alone(asker, command) if command.alone else _together(asker, command))
        print(msgspec.json.encode(report).decode(), flush=True)


async def _alone(asker: Asker, command: Command) -> Report:
    dice = random.Random(command.first)
    latencies, wrong, started = [], 0, time.perf_counter()
    for number in range(command.first, command.first + command.count):
        await asyncio.sleep(dice.uniform(*PAUSE_S))
        asked = time.perf_counter()
        wrong += await asker.ask(number)
        latencies.append((time.perf_counter() - asked) * 1000)
    return Report(time.perf_counter() - started, command.count, wrong, sorted(latencies))


async def _together(asker: Asker, command: Command) -> Report:
    started = time.perf_counter()
    wrong = await asker.ask_all(range(command.first, command.first + command.count))
    return Report(time.perf_counter() - started, command.count, wrong)
