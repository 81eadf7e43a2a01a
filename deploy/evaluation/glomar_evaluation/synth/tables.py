"""Weighted name lists, places and streets for the generator; real words, no real person.
`people` draws from it. Names and weights: US Census 2020, by sex and Hispanic or not (tables/census.py)."""

import csv
from functools import cache
from importlib import resources
from itertools import product

import msgspec
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Fractions = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]

_TYPES = ("St", "Ave", "Rd", "Dr", "Ln", "Ct", "Blvd", "Pl", "Way", "Cir", "Ter", "Trl")
_DIRECTIONS = ("", "", "", "N ", "S ", "E ", "W ")
_ORDINALS = 60


class Draw(msgspec.Struct, frozen=True):
    """Words with their cumulated shares; a fraction from 0 to 1 picks one by weight."""

    words: Words
    cumulated: Fractions

    def of(self, fractions: Fractions) -> Words:
        picked: Words = self.words[np.searchsorted(self.cumulated, fractions, side="right")]
        return picked


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
        streets=_streets([row["name"] for row in _read("streets.csv")], [row["name"] for row in last]),
    )


def _streets(known: list[str], surnames: list[str]) -> tuple[str, ...]:
    """The listed ones, numbered ones, and some named for people, as American streets are; each once."""
    numbered = [
        f"{way}{number}{_suffix(number)} {type_}"
        for number, type_, way in product(range(1, _ORDINALS), ("St", "Ave"), ("N ", "S "))
    ]
    named = [
        f"{_DIRECTIONS[place % len(_DIRECTIONS)]}{name} {_TYPES[place % len(_TYPES)]}"
        for place, name in enumerate(dict.fromkeys(name for name in surnames[:600] if name.isascii()))
    ]
    return tuple(dict.fromkeys([*known, *numbered, *named]))


def _suffix(number: int) -> str:
    return "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _read(name: str) -> list[dict[str, str]]:
    text = (resources.files("glomar_evaluation") / "synth" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _draw(rows: list[dict[str, str]], *, hispanic: bool, sex: str = "") -> Draw:
    chosen = [row for row in rows if (row["hispanic"] == "true") == hispanic and row.get("sex", "") == sex]
    weights = np.array([int(row["weight"]) for row in chosen], dtype=np.float64)
    cumulated = np.cumsum(weights) / weights.sum()
    # The last one is 1 but for rounding, and no fraction may lie behind it.
    cumulated[-1] = 1.0
    return Draw(np.array([row["name"] for row in chosen], dtype=object), cumulated)
