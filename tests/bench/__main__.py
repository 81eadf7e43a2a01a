"""`make bench`: product and naive relay side by side, in one run, on this machine.

    python -m tests.bench [--full] [--runs 3] [--requests 20000] [--asks 500] [--no-profile] [--timing 5000]
                         [--bulk 100000]

Prints Markdown, writes bench-results/<time>.json. Exit code 1 if a run fails (an answer is lost or wrong); a
missed goal is only printed.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from glomar_schemas.errors import GlomarError

from tests.bench import bulk, machine, peer, population, product, profile, report, timing
from tests.bench.figures import Failed, Results, Run
from tests.bench.plan import Plan
from tests.bench.processes import quiet
from tests.bench.run_directory import OUT, directory

PEOPLE, PEOPLE_FULL = 100_000, 1_000_000
MAX_OTHERS = 0.2

Once = Callable[[Path], Awaitable[Run]]
"""One run in a directory of its own."""


def main() -> None:
    options = _options()
    try:
        asyncio.run(_bench(options))
    except (Failed, GlomarError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Product beside naive relay.")
    parser.add_argument("--full", action="store_true", help=f"a register of {PEOPLE_FULL:,} people")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--asks", type=int, default=500)
    parser.add_argument("--quiet-s", type=float, default=60, help="how long to wait for a quiet machine")
    parser.add_argument(
        "--tries", type=int, default=3, help="at most so many attempts for one undisturbed run"
    )
    parser.add_argument("--no-profile", dest="profile", action="store_false")
    parser.add_argument("--timing", type=int, default=timing.NUMBER, help="requests of each kind; 0: none")
    parser.add_argument("--bulk", type=int, default=bulk.NUMBER, help="size of the bulk file; 0: none")
    return parser.parse_args()


async def _bench(options: argparse.Namespace) -> None:
    people = PEOPLE_FULL if options.full else PEOPLE
    plan = Plan(options.asks, options.requests)
    cache = OUT / "cache"
    _log(f"register of {people:,} people, {plan.rows:,} requests")
    register = population.register(people, cache)
    rows = population.request_rows(plan.rows, people, cache)
    found = machine.describe(OUT)
    one_of: dict[str, Once] = {
        "peer": partial(peer.run, plan, rows),
        "product": partial(product.run, plan, rows, register),
    }
    runs: dict[str, list[Run]] = {kind: [] for kind in one_of}
    for number in range(1, options.runs + 1):
        for kind, once in one_of.items():
            runs[kind].append(await _undisturbed(once, f"run {number}, {kind}", options))
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    profiles = []
    if options.profile:
        stacks = OUT / stamp
        stacks.mkdir()
        watches = partial(profile.watches, directory=stacks)
        await quiet(options.quiet_s)
        with directory() as place:
            await product.run(Plan(0, plan.requests), rows, register, place, watches)
        profiles = profile.read(stacks, runs["product"][0].costs)
    results = Results(1, machine.commit(), found, people, plan.asks, runs["peer"], runs["product"], profiles)
    out = OUT / f"{stamp}.json"
    out.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    print(report.render(results))
    _log(f"written to {out}")
    if options.timing:
        await quiet(options.quiet_s)
        found_timing = await timing.measure(options.timing, people, OUT)
        print(f"\nDoes the time of a verdict show what was found?\n\n{timing.render(found_timing)}")
        _log(f"written to {timing.write(found_timing, OUT)}")
    if options.bulk:
        found_bulk = await bulk.measure(options.bulk)
        print(f"\nThe bulk file, refused condition by condition\n\n{bulk.render(found_bulk)}")


async def _undisturbed(once: Once, what: str, options: argparse.Namespace) -> Run:
    """One run, repeated while other programs keep the machine busy. Prints which run counts."""
    for left in reversed(range(max(1, options.tries))):
        if not await quiet(options.quiet_s):
            _log("the machine is busy with something else")
        with directory() as place:
            run = await once(place)
        disturbed = run.others > MAX_OTHERS and left > 0
        _log(
            f"{what}: {run.rate:.0f} verdicts/s, {run.others:.2f} cores busy with others"
            + ("; not counted, repeated" if disturbed else "")
        )
        if not disturbed:
            break
    return run


def _log(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
