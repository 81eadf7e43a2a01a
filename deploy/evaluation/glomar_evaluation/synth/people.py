"""Synthetic people as rows of a register: households, twins, Sr and Jr, double surnames, movers, shelters.

Deterministic by seed, and streamed, so that memory does not grow with the register."""

from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import numpy as np
from glomar_schemas.files import replacing_text
from glomar_verifier.register.extract import COLUMNS

from glomar_evaluation.synth.households import Households, households
from glomar_evaluation.synth.tables import BoolArray, IntArray, Tables, TextArray, load_tables

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

STREETS_IN_A_ZIP = 40
HOUSES_BEFORE_THE_NEXT_ZIP = 400
FLATS = 10
GROUP_QUARTERS_FROM = 9_000
"""Only shelters, dormitories and prisons have house numbers from here on."""
_ZIPS = 100
_FLATS_ON = (3, 17, 31)
_BOXES_ON = (5,)


def people(number: int, seed: int) -> Iterator[Row]:
    """Rows of the register file for exactly `number` people. A mover has two rows, one after the other."""
    for columns in _chunks(number, seed):
        for values in zip(*columns, strict=True):
            yield dict(zip(COLUMNS, values, strict=True))


def write_register(number: int, seed: int, out: Path) -> int:
    """Writes the register CSV (PROTOCOL.md, Files). -> the number of rows, without the header."""
    rows = 0
    with replacing_text(out, mode=0o644) as file:
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


def addresses(tables: Tables, numbers: IntArray, crowded: BoolArray) -> dict[str, TextArray]:
    """The address columns for these numbers; each number is one address, so that the truth of a request is
    known. House numbers are even: nobody lives at an odd one. `crowded`: the group quarters among them."""
    places = len(tables.places)
    place, rest = numbers % places, numbers // places
    # A town fills one ZIP code of its prefix after the other, and then starts again.
    zip_, rest = rest // HOUSES_BEFORE_THE_NEXT_ZIP, rest % HOUSES_BEFORE_THE_NEXT_ZIP
    house = rest + HOUSES_BEFORE_THE_NEXT_ZIP * (zip_ // _ZIPS)
    zip_ = zip_ % _ZIPS
    lane, along = house % STREETS_IN_A_ZIP, house // STREETS_IN_A_ZIP
    flats = np.isin(lane, _FLATS_ON) & ~crowded
    boxes = np.isin(lane, _BOXES_ON) & ~crowded
    number = 100 * (1 + lane * 13 % 60) + 2 * np.where(flats, along // FLATS, along)
    number = np.where(crowded, GROUP_QUARTERS_FROM + 2 * along, number)
    street = (place * 101 + zip_ * 37 + lane) % len(tables.streets)
    unit = np.where(flats, along % FLATS + 1, 0)
    return {
        "street_number": np.where(boxes, "", _TEXT[np.minimum(number, len(_TEXT) - 1)]),
        "street_name": np.where(boxes, "", np.array(tables.streets, dtype=object)[street]),
        "unit": _UNITS[unit],
        "po_box": np.where(boxes, _TEXT[np.minimum(1_000 + along, len(_TEXT) - 1)], ""),
        "urbanization": np.full(len(numbers), "", dtype=object),
        "city": np.array([city for city, _, _ in tables.places], dtype=object)[place],
        "state": np.array([state for _, state, _ in tables.places], dtype=object)[place],
        "zip": _zips(tables)[place * _ZIPS + zip_],
    }


def _zips(tables: Tables) -> TextArray:
    return np.array(
        [
            f"{code[:3]}{(int(code[3:]) + step) % _ZIPS:02d}"
            for _, _, code in tables.places
            for step in range(_ZIPS)
        ],
        dtype=object,
    )


_TEXT: TextArray = np.array([str(number) for number in range(100_000)], dtype=object)
_UNITS: TextArray = np.array(
    ["", *(f"{kind} {flat}" for flat, kind in enumerate(("Apt", "Apt", "Unit", "#", "Apt") * 2, start=1))],
    dtype=object,
)
