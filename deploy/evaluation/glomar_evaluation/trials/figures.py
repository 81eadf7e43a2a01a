"""What the outcomes of trials amount to: rates with their bounds, by class and by name group.
`run` feeds it, `page` and the command print it; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import sqrt

import msgspec

Z95 = 1.959964
RULE_OF_THREE = 2.995732
"""-ln 0.05: with none in n trials, a rate above this over n would have shown itself 19 times of 20."""


class Rate(msgspec.Struct, frozen=True):
    """`hits` of `trials`, with the bounds within which the true rate lies 19 times of 20."""

    hits: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.hits / self.trials if self.trials else 0.0


class Report(msgspec.Struct, frozen=True):
    """Shares of confirmed requests: of true ones that is recall, of negatives the false confirms.

    `gap` is the distance in recall between the best and the worst served group, in points of a hundred, among
    groups with at least GROUP_TRIALS true requests. `gates` counts what stopped true requests.
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


class Tally:
    """Counts outcomes as they come."""

    def __init__(self) -> None:
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._confirmed: Counter[tuple[str, str, str]] = Counter()
        self._gates: Counter[str] = Counter()

    def add(self, truth: str, klass: str, group: str, *, confirmed: bool, gates: Iterable[str] = ()) -> None:
        """gates: those that the person meant failed, if a true request was denied."""
        self._asked[truth, klass, group] += 1
        self._confirmed[truth, klass, group] += confirmed
        self._gates.update(gates)

    def report(self, *, rules: str, seed: int, people: int) -> Report:
        groups = self._by(2, "confirm")
        large = [rate.value for rate in groups.values() if rate.trials >= GROUP_TRIALS]
        recall, wrong = self._rate("confirm"), self._rate("deny")
        return Report(
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
        of = [key for key in self._asked if key[0] == truth]
        return rate(sum(self._confirmed[key] for key in of), sum(self._asked[key] for key in of))

    def _by(self, place: int, truth: str) -> dict[str, Rate]:
        asked: Counter[str] = Counter()
        confirmed: Counter[str] = Counter()
        for key, number in self._asked.items():
            if key[0] == truth:
                asked[key[place]] += number
                confirmed[key[place]] += self._confirmed[key]
        return {name: rate(confirmed[name], number) for name, number in asked.most_common()}


def rate(hits: int, trials: int) -> Rate:
    """Wilson's score interval at 95 %; for no hit at all the rule of three, from 0."""
    if trials == 0:
        return Rate(0, 0, 0.0, 1.0)
    if hits == 0:
        return Rate(0, trials, 0.0, min(1.0, RULE_OF_THREE / trials))
    share, z2 = hits / trials, Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return Rate(hits, trials, max(0.0, centre - half), min(1.0, centre + half))
