"""Builds registers of several sizes and looks up in them, in a file and on a server.

    python -m tests.bench.register [--people 1000000 10000000] [--lookups 50000] [--no-postgres]

Prints Markdown; the registers stay in bench-results/cache.
"""

import argparse
import csv
import itertools
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from glomar_evaluation.synth import requests, write_register
from glomar_local.demo.population import today
from glomar_verifier.matching.match import Query, decide, normal_query
from glomar_verifier.matching.rules import Rules, load_rules
from glomar_verifier.register import Register
from glomar_verifier.register.build import build_into
from glomar_verifier.register.open import open_place
from msgspec import Struct

from tests.bench import population
from tests.bench.goals import goal
from tests.bench.processes import ROOT
from tests.support.postgres import Server, postgres
from tests.support.registers import particulars

CACHE = ROOT / "bench-results" / "cache"
SIZES = (100_000,)
ROUNDS = 5
GOAL_PEOPLE, BUILD_GOAL_S, SIZE_GOAL_MB = 10_000_000, 360, 2_000
RATE_GOALS = {"SQLite": 10_000, "PostgreSQL": 2_000}
"""Lookups a second of each process."""
# The processor limits loading, not the default of 1 GB of WAL.
_SETTINGS = (
    "shared_buffers=512MB",
    "max_wal_size=8GB",
    "maintenance_work_mem=512MB",
    "synchronous_commit=off",
)


class Built(Struct, frozen=True):
    people: int
    spells: int
    seconds: float
    cpu_s: float
    megabytes: float


class Lookups(Struct, frozen=True):
    """rates: lookups a second, one for each round; times in µs."""

    where: str
    people: int
    processes: int
    rates: list[float]
    p50_us: float
    p99_us: float


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.register",
        description="Builds registers and looks up in them, on file and on a PostgreSQL server of its own; "
        "prints the tables of docs/performance.md.",
        epilog="Every goal, on file and server: --people 1000000 10000000. Extracts and registers stay under "
        "bench-results/cache.",
    )
    parser.add_argument(
        "--people", type=int, nargs="+", default=SIZES, help="sizes of the registers (100000)", metavar="N"
    )
    parser.add_argument("--lookups", type=int, default=20_000, help="requests a round (20000)", metavar="N")
    parser.add_argument("--no-postgres", dest="postgres", action="store_false", help="the file alone")
    parser.add_argument("--ask", nargs=3, metavar=("PLACE", "PEOPLE", "LOOKUPS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        place, number, lookups = options.ask
        _look_up_on_command(place, int(number), int(lookups))
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    for line in run(options.people, options.lookups, with_postgres=options.postgres):
        print(line, flush=True)


def run(sizes: Sequence[int], lookups: int, *, with_postgres: bool) -> Iterator[str]:
    """The lines of two tables, and of the goals."""
    rules = load_rules()
    places: dict[int, Path] = {}
    built: list[Built] = []
    yield from ("| people | spells | built in, s | CPU, s | on disk, MB |", "| --- | --- | --- | --- | --- |")
    for number in sizes:
        places[number], each = _build(number, rules)
        built.append(each)
        yield (
            f"| {number:,} | {each.spells:,} | {each.seconds:.0f} | {each.cpu_s:.0f} "
            f"| {each.megabytes:,.0f} |"
        )
    yield ""
    yield "| where | people | processes | lookups/s (range) | p50, µs | p99, µs |"
    yield "| --- | --- | --- | --- | --- | --- |"
    found = []
    for number, place in places.items():
        queries = _queries(number, lookups, rules)
        found.append(_measure("SQLite", str(place), number, queries, rules))
        yield _row(found[-1])
    if with_postgres:
        with postgres(_SETTINGS) as server:
            for number in sizes:
                url = _load(server, number, rules)
                found.append(_measure("PostgreSQL", url, number, _queries(number, lookups, rules), rules))
                yield _row(found[-1])
                found.append(_measure_several(url, number, lookups, 2))
                yield _row(found[-1])
    yield ""
    yield from _goals(built, found)


def _goals(built: Sequence[Built], found: Sequence[Lookups]) -> Iterator[str]:
    for each in built:
        if each.people == GOAL_PEOPLE:
            took, size = each.seconds, each.megabytes
            yield goal(f"built in {BUILD_GOAL_S} s", f"{took:.0f} s", is_reached=took <= BUILD_GOAL_S)
            yield goal(f"at most {SIZE_GOAL_MB} MB", f"{size:.0f} MB", is_reached=size <= SIZE_GOAL_MB)
    for lookups in found:
        rate, least = statistics.median(lookups.rates), RATE_GOALS[lookups.where] * lookups.processes
        where = f"{lookups.where}, {lookups.people:,} people, {lookups.processes} processes"
        what = f"{where}, {least:,} lookups/s"
        yield goal(what, f"{rate:,.0f}", is_reached=rate >= least)
    on_file = [statistics.median(each.rates) for each in found if each.where == "SQLite"]
    ratio = on_file[0] / on_file[-1]
    yield goal(
        "from the smallest to the largest, 1.5 times the cost", f"{ratio:.2f}", is_reached=ratio <= 1.5
    )


def _build(number: int, rules: Rules) -> tuple[Path, Built]:
    extract, built = _extract(number), CACHE / f"bench-{number}.db"
    before, started = _cpu_s(), time.perf_counter()
    report = build_into(str(built), extract, rules)
    seconds = time.perf_counter() - started
    return built, Built(number, report.spells, seconds, _cpu_s() - before, built.stat().st_size / 1e6)


def _extract(number: int) -> Path:
    extract = CACHE / f"bench-{number}.csv"
    if not extract.exists():
        write_register(number, population.SEED, extract)
    return extract


def _load(server: Server, number: int, rules: Rules) -> str:
    url = server.database(f"people_{number}")
    build_into(url, _extract(number), rules)
    return url


def _queries(number: int, lookups: int, rules: Rules) -> list[Query]:
    """Queries of every kind that reaches the register, about people from the whole register."""
    rows = _sample(_extract(number), max(1, number // (3 * lookups)))
    generated = requests(rows, lookups, population.SEED, today(), per_name=number)
    return [
        normal_query(particulars(row), tuple(map(int, row["tax_periods"].split(";"))), rules, "us")
        for row in generated
        if not row["truth"].startswith("refused")
    ]


def _sample(extract: Path, step: int) -> Iterator[dict[str, str]]:
    """One person of each `step`, with all spells of the person; an id is P and a number."""
    with extract.open(encoding="utf-8", newline="") as file:
        header = file.readline()
        chosen = (line for line in file if int(line[1 : line.index(",")]) % step == 0)
        yield from csv.DictReader(itertools.chain([header], chosen))


def _measure(where: str, place: str, number: int, queries: Sequence[Query], rules: Rules) -> Lookups:
    register = open_place(place, rules)
    rates, times = [], []
    for _ in range(ROUNDS):
        taken = _ask(register, queries, rules)
        rates.append(len(taken) / sum(taken))
        times += taken
    register.close()
    times.sort()
    return Lookups(where, number, 1, rates, 1e6 * times[len(times) // 2], 1e6 * times[len(times) * 99 // 100])


def _ask(register: Register, queries: Sequence[Query], rules: Rules) -> list[float]:
    """Seconds of each lookup, with its decision."""
    taken, now = [], time.perf_counter
    for query in queries:
        started = now()
        decide(register.candidates(query), query, rules)
        taken.append(now() - started)
    return taken


def _measure_several(url: str, number: int, lookups: int, processes: int) -> Lookups:
    """All processes together, each with its own connection; they begin when all are ready."""
    command = [sys.executable, "-m", "tests.bench.register", "--ask", url, str(number), str(lookups)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    started = [subprocess.Popen(command, **pipes) for _ in range(processes)]  # type: ignore[call-overload]
    rates, times = [], []
    for one in started:
        assert one.stdout.readline() == "ready\n"
    for _ in range(ROUNDS):
        for one in started:
            one.stdin.write("go\n")
            one.stdin.flush()
        found = [one.stdout.readline().split() for one in started]
        rates.append(sum(float(rate) for rate, _, _ in found))
        times += [(float(p50), float(p99)) for _, p50, p99 in found]
    for one in started:
        one.stdin.close()
        one.wait()
    p50, p99 = (statistics.median(values) for values in zip(*times, strict=True))
    return Lookups("PostgreSQL", number, processes, rates, p50, p99)


def _look_up_on_command(place: str, number: int, lookups: int) -> None:
    rules = load_rules()
    register, queries = open_place(place, rules), _queries(number, lookups, rules)
    print("ready", flush=True)
    for _ in sys.stdin:
        taken = sorted(_ask(register, queries, rules))
        p50, p99 = (1e6 * taken[len(taken) * share // 100] for share in (50, 99))
        print(len(taken) / sum(taken), p50, p99, flush=True)


def _row(found: Lookups) -> str:
    rates = sorted(found.rates)
    return (
        f"| {found.where} | {found.people:,} | {found.processes} | {statistics.median(rates):,.0f} "
        f"({rates[0]:,.0f}-{rates[-1]:,.0f}) | {found.p50_us:.0f} | {found.p99_us:.0f} |"
    )


def _cpu_s() -> float:
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
