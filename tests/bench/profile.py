"""Profiles the product's processes with py-spy during one run: the time by function and by package."""

import asyncio
import contextlib
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from pathlib import Path

from glomar_local.system.process import program

from tests.bench.figures import Cost, Failed, Line, Profile
from tests.bench.plan import Watch

PROFILED = ("requester client", "verifier", "auditor")
SAMPLES_PER_S = 100
WRITE_LIMIT_S = 60.0
SHOWN_FROM = 0.01

_WAITING = ("threading.Condition.wait", "concurrent.futures.thread._worker")
"""py-spy sometimes counts a thread that waits on a lock as busy."""
_ENTRY = re.compile(r"glomar_\w+\.(cli|service)\.")
"""The functions that call everything else are left out."""

_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]*?)(?::\d+)?\)")
_PACKAGES = re.compile(r"(?:.*/)?(?:site-packages|python3\.\d+)/")


def watches(pids: Mapping[str, int], directory: Path) -> list[Watch]:
    return [_recording(pids[name], stacks_file(directory, name)) for name in PROFILED]


def stacks_file(directory: Path, process: str) -> Path:
    return directory / f"{process.replace(' ', '-')}.stacks"


@contextlib.asynccontextmanager
async def _recording(pid: int, out: Path) -> AsyncIterator[None]:
    """Samples the process while the context is open."""
    arguments = (
        "record",
        "--pid",
        str(pid),
        "--format",
        "raw",
        "--full-filenames",
        "--rate",
        str(SAMPLES_PER_S),
    )
    with out.with_suffix(".log").open("wb") as log:
        spy = await asyncio.create_subprocess_exec(
            program("py-spy"), *arguments, "--output", str(out), stdout=log, stderr=log
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            # As with Ctrl-C, py-spy stops sampling and writes its file.
            spy.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(spy.wait(), WRITE_LIMIT_S)
        except TimeoutError:
            spy.kill()
            await spy.wait()
    if spy.returncode:
        raise Failed(f"py-spy failed; see {out.with_suffix('.log')}")


def read(directory: Path, costs: Iterable[Cost]) -> list[Profile]:
    """costs: of a run without py-spy; they give the CPU time of each share."""
    cpu_us = {cost.name: cost.cpu_us for cost in costs}
    return [
        summarise(name, stacks_file(directory, name).read_text(encoding="utf-8").splitlines(), cpu_us[name])
        for name in PROFILED
    ]


def summarise(process: str, stacks: Iterable[str], cpu_us: float) -> Profile:
    """stacks: "outer (file:line);inner (file:line) count". Pure."""
    inclusive: Counter[str] = Counter()
    packages: Counter[str] = Counter()
    total = 0
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = [_frame(text) for text in stack.split(";")]
        if ".".join(frames[-1]).endswith(_WAITING):
            continue
        total += int(count)
        # A function that calls itself counts once.
        ours = {f"{module}.{function}" for module, function in frames if module.startswith("glomar_")}
        inclusive.update({what: int(count) for what in ours if not _ENTRY.match(what)})
        packages[_package(frames)] += int(count)
    lines = partial(_lines, total=total, cpu_us=cpu_us)
    return Profile(process, total, lines(inclusive), lines(packages))


def _lines(counts: Counter[str], total: int, cpu_us: float) -> list[Line]:
    shares = ((what, count / total) for what, count in counts.most_common())
    return [Line(what, share, share * cpu_us) for what, share in shares if share >= SHOWN_FROM]


def _frame(text: str) -> tuple[str, str]:
    """ "write (/…/glomar_verifier/app.py:78)" -> ("glomar_verifier.app", "write")."""
    found = _FRAME.fullmatch(text)
    if found is None:
        return "", text
    path = found["file"]
    at = path.find("glomar_")
    inside = path[at:] if at >= 0 else _PACKAGES.sub("", path)
    return inside.removesuffix(".py").replace("/", "."), found["function"]


def _package(frames: list[tuple[str, str]]) -> str:
    """The package of the innermost function. Time in C counts for the Python function that called it."""
    parts = frames[-1][0].split(".")
    return ".".join(parts[:2]) if parts[0].startswith("glomar_") or parts[0] == "opentelemetry" else parts[0]
