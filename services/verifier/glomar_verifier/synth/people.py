"""A register of people who don't exist: households, twins, Sr and Jr, double surnames, movers.
`glomar-verifier register synth` and `glomar demo` write it to CSV; deterministic by seed, streaming."""

import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

from glomar_verifier.register.extract import COLUMNS
from glomar_verifier.synth.addresses import addresses
from glomar_verifier.synth.tables import Tables, tables

# Movers live at the first address through 2023 and at the second from 2024 on.
MOVED_IN = 2024
HISPANIC_SHARE, MOVER_SHARE, BIRTH_DATE_KNOWN = 0.4, 0.1, 0.9
_FIRST_BIRTH, _ADULT_UNTIL = date(1940, 1, 1), date(2004, 12, 31)

Row = dict[str, str]


def people(number: int, seed: int) -> Iterator[Row]:
    """Rows of the register file for exactly `number` people; a mover has two, one after the other.
    All of them are synthetic."""
    dice = random.Random(seed)  # noqa: S311 (reproducible test data, no secret)
    known = tables()
    homes = addresses(known, dice)
    for serial, member in enumerate(islice(_members(known, homes, dice), number), start=1):
        person = {"person_id": f"P{serial:08d}", **member[0]}
        for spell in member[1]:
            yield {**person, **spell}


def write_register(number: int, seed: int, out: Path) -> int:
    """Write the register CSV (protocol.md, Files); returns its rows, the header not counted."""
    rows = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for rows, row in enumerate(people(number, seed), start=1):  # noqa: B007 (counted for the caller)
            writer.writerow(row)
    return rows


def _members(known: Tables, homes: Iterator[Row], dice: random.Random) -> Iterator[tuple[Row, list[Row]]]:
    """(name and birth, spells) of each person, household by household."""
    while True:
        spells = _spells(homes, dice)
        for member in _household(known, dice):
            yield member, spells


def _spells(homes: Iterator[Row], dice: random.Random) -> list[Row]:
    since = str(dice.randint(2008, 2020))
    if dice.random() < MOVER_SHARE:
        return [
            {**next(homes), "from_year": since, "to_year": str(MOVED_IN - 1)},
            {**next(homes), "from_year": str(MOVED_IN), "to_year": ""},
        ]
    return [{**next(homes), "from_year": since, "to_year": ""}]


def _household(known: Tables, dice: random.Random) -> list[Row]:
    """One to five people; no two share a first name but a Sr and his Jr, the Sr first."""
    hispanic = dice.random() < HISPANIC_SHARE
    father = _surnames(known, hispanic, dice)
    mother = _surnames(known, hispanic, dice) if hispanic else father
    taken: set[str] = set()
    head = _person(known, dice, hispanic, "m", father, taken)
    kind = dice.random()
    if kind < 0.3:
        return [head]
    partner = _person(known, dice, hispanic, "f", mother, taken)
    if kind < 0.55:
        return [head, partner]
    children = f"{father.split()[0]} {mother.split()[0]}" if hispanic else father
    if kind < 0.62:
        born = _FIRST_BIRTH + timedelta(days=dice.randrange(9_000, 20_000))
        head |= {"suffix": "Sr", "date_of_birth": (born - timedelta(days=9_500)).isoformat()}
        junior = {**head, "suffix": "Jr", "last_name": head["last_name"], "date_of_birth": born.isoformat()}
        return [head, junior, partner]
    first, second = (_person(known, dice, hispanic, dice.choice("mf"), children, taken) for _ in range(2))
    if kind < 0.7:
        second["date_of_birth"] = first["date_of_birth"]
        return [head, partner, first, second]
    third = [_person(known, dice, hispanic, "f", children, taken)] if kind > 0.9 else []
    return [head, partner, first, second, *third]


def _surnames(known: Tables, hispanic: bool, dice: random.Random) -> str:
    one = known.last[hispanic].one(dice)
    if not hispanic:
        return one
    other = known.last[True].one(dice)
    return one if other == one or dice.random() < 0.3 else f"{one} {other}"


def _person(
    known: Tables, dice: random.Random, hispanic: bool, sex: str, surname: str, taken: set[str]
) -> Row:
    names = known.first[(sex, hispanic)]
    first = names.one(dice)
    while first in taken:
        first = names.one(dice)
    taken.add(first)
    born = _FIRST_BIRTH + timedelta(days=dice.randrange((_ADULT_UNTIL - _FIRST_BIRTH).days))
    return {
        "first_name": first,
        "middle_name": dice.choice(("", "", names.one(dice), names.one(dice)[0])),
        "last_name": surname,
        "suffix": "",
        "date_of_birth": born.isoformat() if dice.random() < BIRTH_DATE_KNOWN else "",
    }
