"""The cost of 100,000 waiting requests for other requests: the same run without and with them.

    python -m tests.bench.holds [--waiting 100000] [--requests 10000] [--runs 3]

Prints Markdown. The verifier's own module fills the list, under a hold in force that covers none of the
requests.
"""

import argparse
import asyncio
import statistics
import sys
from functools import partial

from glomar_local.provision.provision import System
from glomar_schemas.errors import GlomarError
from glomar_verifier.decisions.held_requests import HeldRequest, HeldRequests

from tests.bench import population, product
from tests.bench.figures import Failed, Run
from tests.bench.plan import Plan
from tests.bench.run_directory import OUT, directory
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher

PEOPLE = 10_000
SCOPE = "jurisdiction:mad"
FIRST_SEQUENCE = 10_000_000
"""The first of the waiting sequences: no request of a run has them."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.holds", description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    try:
        runs = asyncio.run(_bench(options))
    except (Failed, GlomarError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        sys.exit(1)
    print("\n| waiting under a hold | verdicts/s, median | verifier's µs a request | cores busy elsewhere |")
    print("| --- | --- | --- | --- |")
    for number, found in runs.items():
        rate = statistics.median(run.rate for run in found)
        cpu = statistics.median(_verifier_cpu_us(run) for run in found)
        others = statistics.median(run.others for run in found)
        print(f"| {number:,} | {rate:.0f} | {cpu:.0f} | {others:.2f} |")


def _verifier_cpu_us(run: Run) -> float:
    return next(cost.cpu_us for cost in run.costs if cost.name == "verifier")


async def _bench(options: argparse.Namespace) -> dict[int, list[Run]]:
    plan = Plan(0, options.requests)
    cache = OUT / "cache"
    register = population.register(PEOPLE, cache)
    rows = population.request_rows(plan.rows, PEOPLE, cache)
    runs: dict[int, list[Run]] = {0: [], options.waiting: []}
    for _ in range(options.runs):
        for number, found in runs.items():
            with directory() as place:
                run = await product.run(plan, rows, register, place, prepare=partial(_fill, number=number))
            found.append(run)
            print(f"bench: {number:,} waiting: {run.rate:.0f} verdicts/s", file=sys.stderr, flush=True)
    return runs


def _fill(system: System, number: int) -> None:
    with Bus(system) as bus:
        slot, _ = ControlPublisher(bus).hold(SCOPE)
    waiting = HeldRequests(system.layout.waiting)
    waiting.add(HeldRequest(FIRST_SEQUENCE + n, slot, 1) for n in range(number))
    waiting.close()


if __name__ == "__main__":
    main()
