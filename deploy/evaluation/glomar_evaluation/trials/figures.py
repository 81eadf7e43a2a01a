"""Counts the outcomes of trials: rates with their bounds, by kind and by name group. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import sqrt

import msgspec

Z95 = 1.959964
RULE_OF_THREE = 2.995732
"""-ln 0.05: with no hit in n trials, the true rate is below this divided by n, 19 times of 20."""


class Rate(msgspec.Struct, frozen=True):
    """hits of trials, and the bounds within which the true rate lies 19 times of 20."""

    hits: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.hits / self.trials if self.trials else 0.0


class EvaluationReport(msgspec.Struct, frozen=True):
    """Shares of confirmed requests: of the true requests (recall) and of the negatives (false confirms).

    gap: difference in recall between the best and the worst served group, in percentage points, among groups
    with at least GROUP_TRIALS true requests. gates: how many true requests failed each gate.
    """

    version: int
    rules: str
    seed: int
    people: int
    recall: Rate
    false_confirms: Rate
    precision: Rate
    classes: Mapping[str, Rate]
    negative_classes: Mapping[str, Rate]
    groups: Mapping[str, Rate]
    negative_groups: Mapping[str, Rate]
    gap: float
    gates: Mapping[str, int]


GROUP_TRIALS = 500


class OutcomeCounter:
    """Counts the outcomes of trials by truth, kind and name group."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._confirmed: Counter[tuple[str, str, str]] = Counter()
        self._gates: Counter[str] = Counter()

    def add(self, truth: str, kind: str, group: str, *, confirmed: bool, gates: Iterable[str] = ()) -> None:
        """gates: those that the right person failed, if a true request was denied."""
        self._requests[truth, kind, group] += 1
        self._confirmed[truth, kind, group] += confirmed
        self._gates.update(gates)

    def report(self, *, rules: str, seed: int, people: int) -> EvaluationReport:
        groups = self._by(2, "confirm")
        large = [rate.value for rate in groups.values() if rate.trials >= GROUP_TRIALS]
        recall, wrong = self._rate("confirm"), self._rate("deny")
        return EvaluationReport(
            version=1,
            rules=rules,
            seed=seed,
            people=people,
            recall=recall,
            false_confirms=wrong,
            precision=rate(recall.hits, recall.hits + wrong.hits),
            classes=self._by(1, "confirm"),
            negative_classes=self._by(1, "deny"),
            groups=groups,
            negative_groups=self._by(2, "deny"),
            gap=100 * (max(large) - min(large)) if large else 0.0,
            gates=dict(self._gates.most_common()),
        )

    def _rate(self, truth: str) -> Rate:
        keys = [key for key in self._requests if key[0] == truth]
        return rate(sum(self._confirmed[key] for key in keys), sum(self._requests[key] for key in keys))

    def _by(self, place: int, truth: str) -> dict[str, Rate]:
        requests: Counter[str] = Counter()
        confirmed: Counter[str] = Counter()
        for key, number in self._requests.items():
            if key[0] == truth:
                requests[key[place]] += number
                confirmed[key[place]] += self._confirmed[key]
        return {name: rate(confirmed[name], number) for name, number in requests.most_common()}


def rate(hits: int, trials: int) -> Rate:
    """Wilson's score interval at 95 %; with no hit, from 0 to the bound of the rule of three."""
    if trials == 0:
        return Rate(0, 0, 0.0, 1.0)
    if hits == 0:
        return Rate(0, trials, 0.0, min(1.0, RULE_OF_THREE / trials))
    share, z2 = hits / trials, Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return Rate(hits, trials, max(0.0, centre - half), min(1.0, centre + half))
