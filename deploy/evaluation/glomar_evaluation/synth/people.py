"""Synthetic people as rows of a register: households, twins, Sr and Jr, double surnames, movers, shelters.

Deterministic by seed, and streamed, so that memory does not grow with the register."""

from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import numpy as np
from glomar_verifier.register.extract import COLUMNS

from glomar_evaluation.synth.addresses import addresses
from glomar_evaluation.synth.households import Households, households
from glomar_evaluation.synth.tables import IntArray, TextArray, load_tables

FIRST_SINCE, LAST_SINCE = 2008, 2011
FIRST_MOVE, LAST_MOVE = 2012, 2024
MOVER_SHARE = 0.22
HOUSEHOLDS_AT_ONCE = 20_000

Row = dict[str, str]
Column = list[str]

_YEARS: TextArray = np.array([str(year) for year in range(2100)], dtype=object)
_FIRST_DAY, _LAST_DAY = 690_000, 740_000
_DAYS: TextArray = np.array(
    ["", *(date.fromordinal(day).isoformat() for day in range(_FIRST_DAY + 1, _LAST_DAY))], dtype=object
)


def people(number: int, seed: int) -> Iterator[Row]:
    """Rows of the register file for exactly `number` people. A mover has two rows, one after the other."""
    for columns in _chunks(number, seed):
        for values in zip(*columns, strict=True):
            yield dict(zip(COLUMNS, values, strict=True))


def write_register(number: int, seed: int, out: Path) -> int:
    """Writes the register CSV (PROTOCOL.md, Files). -> the number of rows, without the header."""
    rows = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(COLUMNS) + "\r\n")
        for columns in _chunks(number, seed):
            # No word of the tables holds a comma or a quote.
            file.write("\r\n".join(map(",".join, zip(*columns, strict=True))) + "\r\n")
            rows += len(columns[0])
    return rows


def _chunks(number: int, seed: int) -> Iterator[list[Column]]:
    """The rows by column, HOUSEHOLDS_AT_ONCE at a time. A larger register begins like a smaller one."""
    serial = 0
    for chunk in count():
        if serial >= number:
            return
        rng = np.random.Generator(np.random.PCG64([seed, chunk]))
        homes = households(load_tables(), HOUSEHOLDS_AT_ONCE, rng)
        wanted = min(number - serial, len(homes.household))
        yield _rows(homes, wanted, serial, chunk, rng)
        serial += wanted


def _rows(homes: Households, wanted: int, serial: int, chunk: int, rng: np.random.Generator) -> list[Column]:
    """The spells of the first `wanted` people of these households, with ids after `serial`."""
    size = HOUSEHOLDS_AT_ONCE
    since = FIRST_SINCE + (rng.random(size) * (LAST_SINCE - FIRST_SINCE + 1)).astype(np.int64)
    moved = FIRST_MOVE + (rng.random(size) * (LAST_MOVE - FIRST_MOVE + 1)).astype(np.int64)
    moved = np.where((rng.random(size) < MOVER_SHARE) & ~homes.crowded, moved, 0)
    place = _addresses(homes, 2 * size * chunk + np.arange(size, dtype=np.int64))
    later = _addresses(homes, 2 * size * chunk + size + np.arange(size, dtype=np.int64))

    home = homes.household[:wanted]
    spells = np.where(moved[home] > 0, 2, 1)
    person = np.repeat(np.arange(wanted), spells)
    second = np.zeros(len(person), dtype=bool)
    second[1:] = person[1:] == person[:-1]
    at = home[person]
    stays = moved[at] == 0
    columns = {
        "person_id": np.array([f"P{n:08d}" for n in range(serial + 1, serial + wanted + 1)], dtype=object)[
            person
        ],
        "first_name": homes.first_name[person],
        "middle_name": homes.middle_name[person],
        "last_name": homes.last_name[person],
        "suffix": homes.suffix[person],
        "date_of_birth": _DAYS[np.maximum(homes.born[person] - _FIRST_DAY, 0)],
        **{name: np.where(second, later[name][at], place[name][at]) for name in place},
        "from_year": _YEARS[np.where(second, moved[at], since[at])],
        "to_year": np.where(second | stays, "", _YEARS[np.maximum(moved[at] - 1, 0)]),
    }
    return [columns[name].tolist() for name in COLUMNS]


def _addresses(homes: Households, numbers: IntArray) -> dict[str, TextArray]:
    return addresses(load_tables(), numbers, homes.crowded)
