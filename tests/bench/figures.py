"""The figures of a benchmark run as values, for the JSON file and the report."""

import statistics
from collections.abc import Iterable

from msgspec import Struct


class Failed(Exception):
    """The run is invalid: answers are lost or wrong, or a process ended."""


class Cost(Struct, frozen=True):
    """CPU and memory of one process in one throughput run, until a second after the last answer."""

    name: str
    cpu_us: float
    """CPU time a request, of all its threads, kernel included, in µs."""
    rss_mb: float
    peak_rss_mb: float


class Run(Struct, frozen=True):
    """One run of product or peer, on a data directory of its own."""

    kind: str
    others: float
    """Cores that were busy with other programs while all requests were sent at once."""
    seconds: float
    """From the first submit to the last checked answer."""
    requests: int
    latencies_ms: list[float]
    """Of single requests at low load, sorted."""
    costs: list[Cost]
    spans: dict[str, int]
    """Service -> spans that reached the trace receiver, over the whole run. Empty for the peer."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Spread(Struct, frozen=True):
    median: float
    least: float
    most: float


def spread(values: Iterable[float]) -> Spread:
    found = sorted(values)
    return Spread(statistics.median(found), found[0], found[-1])


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that a `share` of all values do not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Line(Struct, frozen=True):
    """One line of a profile. share: of the process's samples; cpu_us: that share of its CPU a request."""

    what: str
    share: float
    cpu_us: float


class Profile(Struct, frozen=True):
    """How one process spends its time. inclusive: our functions with all that they call."""

    process: str
    samples: int
    inclusive: list[Line]
    by_package: list[Line]


class Results(Struct, frozen=True):
    """The content of the JSON file. machine: what the figures depend on."""

    version: int
    commit: str
    machine: dict[str, str]
    people: int
    asks: int
    peer: list[Run]
    product: list[Run]
    profiles: list[Profile]
