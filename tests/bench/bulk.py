"""A file like that of June 2025: 100,000 requests, under the bundled agreement.

    python -m tests.bench.bulk [--requests 100000]

A request without an address must be refused before a lookup; only a complete one may be confirmed.
"""

import argparse
import asyncio
import csv
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec
from glomar_evaluation.synth import people
from glomar_local import ports
from glomar_local.demo.population import today, write_requests
from glomar_local.layout import Layout
from glomar_local.provision.provision import System, provision
from glomar_local.system import runfile
from glomar_local.system.process import program
from glomar_local.system.supervisor import running
from glomar_schemas.errors import GlomarError
from msgspec import Struct

from tests.bench import population
from tests.bench.figures import Failed
from tests.bench.report import table
from tests.bench.run_directory import OUT, directory
from tests.support.bulk import COMPLETE, bulk, write_roll

NUMBER = 100_000
LIMIT_S = 1_800


class BulkResult(Struct, frozen=True):
    """outcomes: class of request -> outcome -> number; conditions: condition -> number of refusals."""

    requests: int
    seconds: float
    outcomes: dict[str, dict[str, int]]
    conditions: dict[str, int]


async def measure(number: int) -> BulkResult:
    """Raises Failed if a request is answered that must be refused."""
    rows = list(bulk(people(number, population.SEED), number, population.SEED, today()))
    register = population.register(number, OUT / "cache")
    with directory() as place:
        layout = Layout(place / "glomar")
        layout.root.mkdir(mode=0o700)
        messages: list[str] = []
        with runfile.claim(layout) as lock:
            system = provision(layout, ports.free())
            os.link(register, layout.register)
            for agency in system.agreement.requesters:
                write_roll(layout.rolls / f"{agency}.csv", rows, date(2025, 1, 2))
            write_requests(rows, place / "requests.csv")
            async with running(system, lock, messages.append):
                seconds = await asyncio.to_thread(_submit, system, place)
        if messages:
            raise Failed("; ".join(messages))
        return _count(rows, place / "results.csv", seconds)


def _submit(system: System, place: Path) -> float:
    started = time.monotonic()
    done = subprocess.run(
        [
            *(program("glomar-requester"), "submit", str(place / "requests.csv"), "--wait", "--json"),
            *("--timeout-s", str(LIMIT_S), "--out", str(place / "results.csv")),
            *("--config", str(system.layout.settings("requester"))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(done.stderr.strip())
    return time.monotonic() - started


def _count(rows: Sequence[Mapping[str, str]], results: Path, seconds: float) -> BulkResult:
    klass = {row["reference"]: row["klass"] for row in rows}
    outcomes: dict[str, Counter[str]] = {}
    conditions: Counter[str] = Counter()
    with results.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind = klass.pop(row["reference"])
            outcomes.setdefault(kind, Counter())[row["outcome"]] += 1
            conditions.update(filter(None, row["refusals"].split(";")))
    if klass:
        raise Failed(f"{len(klass)} requests have no result")
    for kind, found in outcomes.items():
        if kind != COMPLETE and set(found) != {"refused"}:
            raise Failed(f"{kind}: {dict(found)}")
    return BulkResult(len(rows), seconds, {k: dict(v) for k, v in outcomes.items()}, dict(conditions))


def render(found: BulkResult) -> str:
    kinds = [
        (kind, *(str(counts.get(outcome, 0)) for outcome in ("confirm", "deny", "refused")))
        for kind, counts in sorted(found.outcomes.items())
    ]
    refusals = [(name, f"{number:,}") for name, number in sorted(found.conditions.items())]
    rate = found.requests / found.seconds
    return "\n\n".join(
        [
            f"{found.requests:,} requests in {found.seconds:.0f} s, {rate:.0f} a second.",
            table([("kind", "confirm", "deny", "refused"), *kinds]),
            table([("refused by", "requests"), *refusals]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.bulk", description="A file like that of June 2025."
    )
    parser.add_argument("--requests", type=int, default=NUMBER)
    try:
        found = asyncio.run(measure(parser.parse_args().requests))
    except (Failed, GlomarError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        sys.exit(1)
    print(render(found))
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
