"""How fast `verify` and `monitor` check a large ledger; does `verify` notice every change to a small one?

    python -m tests.bench.checking [--leaves 1000000] [--runs 3] [--damage 1]

Prints Markdown. Exit code 1 if a change goes unnoticed. `--damage N` tries each Nth byte, cut, swap and
replay of a ledger of 1,000 entries; 1: all of them, about ten minutes on two cores; 0: none.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import Pool
from pathlib import Path

from glomar_auditor.ledger.fsck import verify
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.monitoring.monitor import monitor
from glomar_schemas.tlog.client import Directory

from tests.bench.goals import goal
from tests.bench.processes import quiet
from tests.bench.run_directory import directory
from tests.support import damage

BATCH = 2_048
GOAL = 100_000
QUIET_S = 60
SHOWN = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.checking", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--damage", type=int, default=1)
    options = parser.parse_args()
    if options.leaves:
        with directory() as place:
            _speed(place, options.leaves, options.runs)
    if options.damage and not _damage(options.damage):
        sys.exit(1)


def _speed(place: Path, leaves: int, runs: int) -> None:
    ledger = place / "ledger"
    _write(ledger, leaves)
    if not asyncio.run(quiet(QUIET_S)):
        print("bench: the machine is busy with something else", file=sys.stderr, flush=True)
    checks: dict[str, Callable[[], object]] = {
        "verify": lambda: verify(ledger, damage.KEY),
        "monitor, first run": lambda: monitor(Directory(ledger), damage.KEY, _fresh(place / "state")),
        "monitor, nothing new": lambda: monitor(Directory(ledger), damage.KEY, place / "state"),
    }
    print(f"\n| one process, {leaves:,} entries, median of {runs} | s | entries/s | entries/s of CPU time |")
    print("| --- | --- | --- | --- |")
    goals = []
    for name, check in checks.items():
        wall, cpu = _median(check, runs)
        rates = ("", "")
        if "nothing" not in name:
            rates = (f"{leaves / wall:,.0f}", f"{leaves / cpu:,.0f}")
            goals.append(goal(f"{name}, {GOAL:,} entries/s", rates[0], is_reached=leaves / wall >= GOAL))
        print(f"| {name} | {wall:.3f} | {' | '.join(rates)} |", flush=True)
    print("", *goals, sep="\n", flush=True)


def _write(ledger: Path, leaves: int) -> None:
    log = Ledger.open(ledger, damage.SIGNER, damage.ORIGIN)
    while log.size < leaves:
        end = min(log.size + BATCH, leaves)
        log.append([damage.entry(sequence) for sequence in range(log.size + 1, end + 1)])
    log.close()


def _fresh(state: Path) -> Path:
    state.unlink(missing_ok=True)
    return state


def _median(check: Callable[[], object], runs: int) -> tuple[float, float]:
    """(seconds, seconds of CPU time)"""
    taken = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        check()
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return statistics.median(wall for wall, _ in taken), statistics.median(cpu for _, cpu in taken)


def _damage(every: int) -> bool:
    workers = os.cpu_count() or 1
    print(f"\n| a ledger of {damage.ENTRIES:,} entries, damaged | tried | `verify` noticed |")
    print("| --- | --- | --- |")
    whole = True
    with Pool(workers) as pool:
        for kind in damage.KINDS:
            parts = [(kind, worker * every, workers * every) for worker in range(workers)]
            found = pool.starmap(_try, parts)
            tried, missed = sum(part[0] for part in found), [each for part in found for each in part[1]]
            print(f"| {kind} | {tried:,} | {tried - len(missed):,} |", flush=True)
            for each in missed[:SHOWN]:
                print(f"bench: unnoticed: {each}", file=sys.stderr, flush=True)
            whole = whole and not missed
    return whole


def _try(kind: str, start: int, every: int) -> tuple[int, list[str]]:
    """The number of tried changes, and the unnoticed ones."""
    tried = 0

    def counted(changes: damage.Changes) -> damage.Changes:
        nonlocal tried
        for change in changes:
            tried += 1
            yield change

    with tempfile.TemporaryDirectory() as place:
        ledger = damage.write(Path(place) / "ledger")
        changes = counted(damage.KINDS[kind](damage.published(ledger), start, every))
        missed = [change.what for change in damage.unnoticed(ledger, changes)]
    return tried, missed


if __name__ == "__main__":
    main()
