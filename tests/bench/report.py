"""Results -> Markdown, for the terminal and for docs/performance.md. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median

from tests.bench.figures import Cost, Profile, Results, Run, Spread, quantile, spread
from tests.bench.goals import goal

RATIO_GOAL = 0.5
P50_GOAL_MS = 25.0
FUNCTIONS_SHOWN = 16
PACKAGES_SHOWN = 8

Row = tuple[str, ...]


def render(results: Results) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    parts = [
        f"Machine: {machine}. Register: {results.people:,} people. Commit {results.commit}.",
        figures(results),
        *goals(results),
    ]
    parts += ["CPU and memory of each process:", costs(results)]
    parts += [profile(each) for each in results.profiles]
    return "\n\n".join(parts)


def figures(results: Results) -> str:
    """Product beside peer."""
    rows: list[Row] = [("", "product", "naive relay", "ratio")]
    requests = results.product[0].requests
    rate = [_rates(runs) for runs in (results.product, results.peer)]
    rows.append((f"P1: verdicts/s over {requests:,}", *map(_with_range, rate), _ratio(*rate)))
    for share in (0.5, 0.99):
        one, other = (_latency(runs, share) for runs in (results.product, results.peer))
        rows.append(
            (
                f"P2: p{share * 100:.0f} of one request, ms",
                *map(_with_range, (one, other)),
                _ratio(one, other),
            )
        )
    rows.append(("CPU a request, µs", *(f"{_cpu(runs):.0f}" for runs in (results.product, results.peer)), ""))
    rows.append(("cores busy with others", *(_loads(runs) for runs in (results.product, results.peer)), ""))
    return table(rows)


def goals(results: Results) -> list[str]:
    """The goals, and whether each is reached."""
    ratio = _rates(results.product).median / _rates(results.peer).median
    p50 = _latency(results.product, 0.5).median
    return [
        goal(f"P1 at least {RATIO_GOAL} × naive relay", f"{ratio:.2f} ×", is_reached=ratio >= RATIO_GOAL),
        goal(f"P2, p50 at most {P50_GOAL_MS:.0f} ms", f"{p50:.1f} ms", is_reached=p50 <= P50_GOAL_MS),
    ]


def costs(results: Results) -> str:
    rows: list[Row] = [("process", "CPU µs a request", "RSS MB", "peak MB")]
    for runs in (results.product, results.peer):
        for place, cost in enumerate(runs[0].costs):
            of_runs = [run.costs[place] for run in runs]
            cells = (median(each.cpu_us for each in of_runs), *_memory(of_runs))
            rows.append((f"{runs[0].kind}: {cost.name}", *(f"{cell:.0f}" for cell in cells)))
    return table(rows)


def profile(found: Profile) -> str:
    title = (
        f"How the {found.process} spends its time ({found.samples:,} samples; a function with all it calls):"
    )
    functions: list[Row] = [("function", "share", "µs a request")]
    functions += [(f"`{line.what}`", f"{line.share:.0%}", f"{line.cpu_us:.0f}") for line in found.inclusive]
    packages: list[Row] = [("innermost Python code is in", "share", "µs a request")]
    packages += [(line.what, f"{line.share:.0%}", f"{line.cpu_us:.0f}") for line in found.by_package]
    shown = (table(functions[: FUNCTIONS_SHOWN + 1]), table(packages[: PACKAGES_SHOWN + 1]))
    return "\n\n".join((title, *shown))


def table(rows: Sequence[Row]) -> str:
    """A Markdown table, aligned; the first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    return "\n".join((lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]))


def _rates(runs: Iterable[Run]) -> Spread:
    return spread(run.rate for run in runs)


def _latency(runs: Iterable[Run], share: float) -> Spread:
    return spread(quantile(run.latencies_ms, share) for run in runs)


def _cpu(runs: Iterable[Run]) -> float:
    return median(sum(cost.cpu_us for cost in run.costs) for run in runs)


def _loads(runs: Iterable[Run]) -> str:
    return " ".join(f"{run.others:.2f}" for run in runs)


def _memory(found: Sequence[Cost]) -> tuple[float, float]:
    return median(cost.rss_mb for cost in found), max(cost.peak_rss_mb for cost in found)


def _with_range(found: Spread) -> str:
    digits = 0 if found.median >= 100 else 1
    return f"{found.median:.{digits}f} ({found.least:.{digits}f}-{found.most:.{digits}f})"


def _ratio(one: Spread, other: Spread) -> str:
    return f"{one.median / other.median:.2f} ×"
