"""Weighted names, places and streets for the generator: real words, no real person. Names and weights are of
the US Census 2020, by sex and Hispanic or not (deploy/evaluation/tables/census.py)."""

import csv
from functools import cache
from importlib import resources
from itertools import product

import msgspec
import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
TextArray = npt.NDArray[np.object_]

_TYPES = ("St", "Ave", "Rd", "Dr", "Ln", "Ct", "Blvd", "Pl", "Way", "Cir", "Ter", "Trl")
_DIRECTIONS = ("", "", "", "N ", "S ", "E ", "W ")
_ORDINALS = 60


class WeightedNames(msgspec.Struct, frozen=True):
    """Names with their cumulative shares."""

    names: TextArray
    cumulative: FloatArray

    def pick(self, fractions: FloatArray) -> TextArray:
        """For each fraction from 0 to 1 a name, by weight."""
        picked: TextArray = self.names[np.searchsorted(self.cumulative, fractions, side="right")]
        return picked


class Tables(msgspec.Struct, frozen=True):
    """First names by (sex "m" or "f", Hispanic or not), surnames by Hispanic or not."""

    first: dict[tuple[str, bool], WeightedNames]
    last: dict[bool, WeightedNames]
    places: tuple[tuple[str, str, str], ...]
    streets: tuple[str, ...]


@cache
def load_tables() -> Tables:
    """Reads the tables of the package once."""
    first, last = _read("first_names.csv"), _read("surnames.csv")
    either = (True, False)
    return Tables(
        first={
            (sex, spanish): _weighted(first, sex=sex, hispanic=spanish) for sex in "mf" for spanish in either
        },
        last={spanish: _weighted(last, hispanic=spanish) for spanish in either},
        places=tuple((row["city"], row["state"], row["zip"]) for row in _read("places.csv")),
        streets=_streets([row["name"] for row in _read("streets.csv")], [row["name"] for row in last]),
    )


def _streets(known: list[str], surnames: list[str]) -> tuple[str, ...]:
    """The listed streets, numbered streets, and streets named after people, as American streets are; each
    once."""
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


def _weighted(rows: list[dict[str, str]], *, hispanic: bool, sex: str = "") -> WeightedNames:
    chosen = [row for row in rows if (row["hispanic"] == "true") == hispanic and row.get("sex", "") == sex]
    weights = np.array([int(row["weight"]) for row in chosen], dtype=np.float64)
    cumulative = np.cumsum(weights) / weights.sum()
    # The last share is 1 except for rounding, and no fraction may exceed it.
    cumulative[-1] = 1.0
    return WeightedNames(np.array([row["name"] for row in chosen], dtype=object), cumulative)
