"""The ledger: recording at a fixed rate over NATS, and growing to millions of leaves.

    python -m tests.bench.ledger [--seconds 60] [--rates 1000 3000] [--leaves 5000000]

Prints Markdown, writes bench-results/ledger-<time>.json. Exit code 1 if a receipt is missing or wrong.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import msgspec
from glomar_schemas.errors import GlomarError
from msgspec import Struct

from tests.bench import growth, machine, recording
from tests.bench.figures import Failed, quantile
from tests.bench.goals import goal
from tests.bench.growth import Growth
from tests.bench.processes import quiet
from tests.bench.recording import Recording
from tests.bench.report import Row, table
from tests.bench.run_directory import OUT, directory

P99_GOAL_AT, P99_GOAL_MS = 1_000, 50.0
MIN_SHARE = 0.99
"""Of the offered rate; the sender itself may be that much slower."""


class Found(Struct, frozen=True):
    """The JSON file's content."""

    version: int
    commit: str
    machine: dict[str, str]
    recordings: list[Recording]
    growth: Growth | None


def render(found: Found) -> str:
    parts = [_recordings(found.recordings), "\n".join(_goals(found.recordings))] if found.recordings else []
    if found.growth is not None:
        parts += [_grown(found.growth), _reopened(found.growth)]
    return "\n\n".join(parts)


def _goals(recordings: list[Recording]) -> Iterator[str]:
    for each in recordings:
        rate, p99 = 2 * len(each.waits_ms) / each.recorded_s, quantile(each.waits_ms, 0.99)
        is_recorded = rate >= MIN_SHARE * each.offered and each.behind == 0
        yield goal(
            f"{each.offered:,} entries/s recorded, none behind", f"{rate:,.0f}", is_reached=is_recorded
        )
        if each.offered == P99_GOAL_AT:
            is_quick = p99 <= P99_GOAL_MS
            yield goal(f"receipt p99 at most {P99_GOAL_MS:.0f} ms", f"{p99:.1f} ms", is_reached=is_quick)


def _recordings(recordings: list[Recording]) -> str:
    shares = (0.5, 0.99, 0.999)
    heads = [f"receipt p{share * 100:g}, ms" for share in shares]
    offered = ("entries/s", "entries", "stored/s", "recorded/s", "behind at the end")
    costs = ("most, ms", "auditor µs an entry", "auditor MB", "nats-server µs", "cores busy elsewhere")
    rows: list[Row] = [(*offered, *heads, *costs)]
    for each in recordings:
        auditor, bus = each.costs
        sent = 2 * len(each.waits_ms)
        rows.append(
            (
                *(f"{each.offered:,}", f"{sent:,}", f"{sent / each.stored_s:,.0f}"),
                *(f"{sent / each.recorded_s:,.0f}", f"{each.behind:,}"),
                *(f"{quantile(each.waits_ms, share):.1f}" for share in shares),
                *(f"{each.waits_ms[-1]:.0f}", f"{auditor.cpu_us:.0f}", f"{auditor.peak_rss_mb:.0f}"),
                *(f"{bus.cpu_us:.0f}", f"{each.others:.2f}"),
            )
        )
    return table(rows)


def _grown(found: Growth) -> str:
    rows: list[Row] = [("leaves", "leaves/s since", "RSS, MB", "longest append, ms")]
    for each in found.grown:
        rows.append((f"{each.size:,}", f"{each.rate:,.0f}", f"{each.rss_mb:.0f}", f"{each.longest_ms:.0f}"))
    return table(rows)


def _reopened(found: Growth) -> str:
    rows: list[Row] = [("opened again with", "journal, MB", "s", "s a million leaves", "RSS, MB")]
    for each in found.reopened:
        million = each.seconds / each.size * 1e6
        took = (f"{each.seconds:.2f}", f"{million:.2f}")
        rows.append((f"{each.size:,} leaves", f"{each.journal_mb:.1f}", *took, f"{each.rss_mb:.0f}"))
    return table(rows)


async def _recorded(options: argparse.Namespace) -> list[Recording]:
    found = []
    for rate in options.rates:
        if not await quiet(options.quiet_s):
            print("bench: the machine is busy with something else", file=sys.stderr, flush=True)
        with directory() as place:
            found.append(await recording.measure(rate, options.seconds, place))
        print(f"bench: {rate:,} entries/s done", file=sys.stderr, flush=True)
    return found


def _grow(leaves: int) -> Growth | None:
    if not leaves:
        return None
    with directory() as place, get_context("spawn").Pool(1) as own:
        return own.apply(growth.measure, (leaves, place / "ledger"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rates", type=int, nargs="*", default=[1_000, 3_000], help="entries a second")
    parser.add_argument("--leaves", type=int, default=5_000_000, help="0: none")
    parser.add_argument("--quiet-s", type=float, default=60, help="how long to wait for a quiet machine")
    return parser.parse_args()


def main() -> None:
    options = _options()
    OUT.mkdir(exist_ok=True)
    try:
        recordings = asyncio.run(_recorded(options))
        found = Found(1, machine.commit(), machine.describe(OUT), recordings, _grow(options.leaves))
    except (Failed, GlomarError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        sys.exit(1)
    print(render(found))
    path: Path = OUT / f"ledger-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    print(f"bench: written to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
