"""Weighted name lists, places and streets for the generator; real words, no real person.
`people` draws from it. Names and weights: US Census 2010 surnames (counts) and 1990 given names
(per 100,000), the commonest of each, with the accents that Spanish writes restored."""

import csv
import random
from functools import cache
from importlib import resources
from itertools import accumulate

import msgspec


class Draw(msgspec.Struct, frozen=True):
    """Words with their cumulated weights, for `random.choices`."""

    words: tuple[str, ...]
    cumulated: tuple[int, ...]

    def one(self, dice: random.Random) -> str:
        return dice.choices(self.words, cum_weights=self.cumulated)[0]


class Tables(msgspec.Struct, frozen=True):
    """First names by (sex "m" or "f", Hispanic or not), surnames by Hispanic or not."""

    first: dict[tuple[str, bool], Draw]
    last: dict[bool, Draw]
    places: tuple[tuple[str, str, str], ...]
    streets: tuple[str, ...]


@cache
def tables() -> Tables:
    """Read from the package once, at the first use."""
    first, last = _read("first_names.csv"), _read("surnames.csv")
    either = (True, False)
    return Tables(
        first={(sex, spanish): _draw(first, sex=sex, hispanic=spanish) for sex in "mf" for spanish in either},
        last={spanish: _draw(last, hispanic=spanish) for spanish in either},
        places=tuple((row["city"], row["state"], row["zip"]) for row in _read("places.csv")),
        streets=tuple(row["name"] for row in _read("streets.csv")),
    )


def _read(name: str) -> list[dict[str, str]]:
    text = (resources.files("glomar_verifier") / "synth" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _draw(rows: list[dict[str, str]], *, hispanic: bool, sex: str = "") -> Draw:
    chosen = [row for row in rows if (row["hispanic"] == "true") == hispanic and row.get("sex", "") == sex]
    return Draw(tuple(row["name"] for row in chosen), tuple(accumulate(int(row["weight"]) for row in chosen)))
