"""The kinds of request that the generator makes: what each changes in a lawful one, and the right answer.
`requests` picks among them; pure but for the dice it is handed."""

import random
from collections.abc import Callable, Mapping
from datetime import date

import msgspec
from anyascii import anyascii

from glomar_evaluation.synth.addresses import GROUP_QUARTERS_FROM
from glomar_evaluation.synth.lookalikes import lookalikes
from glomar_evaluation.synth.scenario import EARLIEST_TAX_YEAR, Kind, Row, Scenario, drawn

# The tax years that are asked about.
YEARS = (2023, 2024)
# In no name list, so nobody in the register bears them.
ABSENT_FIRST_NAMES = ("Leopold", "Octavia", "Wolfgang", "Philippa", "Thaddeus", "Ottilie")
SPELT_OUT = {
    "N": "North", "S": "South", "E": "East", "W": "West", "St": "Street", "Ave": "Avenue", "Rd": "Road",
    "Dr": "Drive", "Ln": "Lane", "Blvd": "Boulevard", "Ct": "Court", "Pl": "Place",
}  # fmt: skip

Spells = list[Mapping[str, str]]


class Case(msgspec.Struct, frozen=True):
    """What the generator knows when it shapes one request: the person's spells, the day, the dice."""

    spells: Spells
    today: date
    dice: random.Random
    birth_date_needed: bool = False
    earliest_tax_year: int = EARLIEST_TAX_YEAR

    @property
    def person(self) -> Mapping[str, str]:
        return self.spells[-1]

    @property
    def crowded(self) -> bool:
        """Lives in group quarters, where nobody is confirmed without a date of birth."""
        number = self.person["street_number"]
        return number.isdecimal() and int(number) >= GROUP_QUARTERS_FROM


class Klass(msgspec.Struct, frozen=True):
    """A kind of request. `truth` is `confirm`, `deny` or `refused:` with condition ids joined by `;`;
    `change` gives the columns that differ from a lawful, true request."""

    name: str
    weight: int
    truth: str
    change: Callable[[Case], Row]
    fits: Callable[[Case], bool] = lambda case: True


def _plain(case: Case) -> Row:
    return {}


def _accents_dropped(case: Case) -> Row:
    return {
        column: anyascii(case.person[column]).upper() for column in ("first_name", "middle_name", "last_name")
    }


def _street_spelt(case: Case) -> Row:
    words = case.person["street_name"].split()
    return {"street_name": " ".join(SPELT_OUT.get(word, word) for word in words).upper()}


def _second_surname_dropped(case: Case) -> Row:
    return {"last_name": case.person["last_name"].split()[0]}


def _surnames_swapped(case: Case) -> Row:
    first, second = case.person["last_name"].split()
    return {"last_name": f"{second} {first}"}


def _street_mistyped(case: Case) -> Row:
    """An x too many: no name holds that, whereas two letters that change places may make another street."""
    name = case.person["street_name"]
    at = name.index(_long_word(case)) + 2
    return {"street_name": f"{name[:at]}x{name[at:]}"}


def _long_word(case: Case) -> str:
    """A word long enough that a slip in it makes no other street of it; blank if there is none."""
    words = case.person["street_name"].split()
    return next((word for word in words if len(word) > 7 and word.isalpha() and word[2] != word[3]), "")


def _lookalike(case: Case) -> Row:
    """Another real name, one letter away; whoever bears it doesn't live here, since initials differ."""
    return {
        "first_name": case.dice.choice(lookalikes()[case.person["first_name"]]),
        "middle_name": "",
        "date_of_birth": case.person["date_of_birth"] if case.birth_date_needed else "",
    }


def _old_address(case: Case, year: int) -> Row:
    columns = ("street_number", "street_name", "unit", "po_box", "city", "state", "zip")
    return {**{column: case.spells[0][column] for column in columns}, "tax_periods": str(year)}


def _moved_in(case: Case) -> int:
    return int(case.person["from_year"])


def _wrong_number(case: Case) -> Row:
    return {"street_number": str(int(case.person["street_number"]) + 1)}


def _absent(case: Case) -> Row:
    birth = case.person["date_of_birth"] if case.birth_date_needed else ""
    return {"first_name": case.dice.choice(ABSENT_FIRST_NAMES), "date_of_birth": birth, "middle_name": ""}


def _no_suffix_no_birth(case: Case) -> Row:
    return {"suffix": "", "date_of_birth": "", "middle_name": ""}


def _unclear(case: Case) -> bool:
    return case.person["suffix"] == "Jr" and not case.birth_date_needed


def _undated_crowd(case: Case) -> bool:
    return case.crowded and not case.birth_date_needed


def _in_house(case: Case) -> bool:
    return case.person["street_number"] != ""


def _double(case: Case) -> bool:
    return " " in case.person["last_name"]


def _moved(case: Case) -> bool:
    return len(case.spells) > 1 and _moved_in(case) > case.earliest_tax_year


def _came_late(case: Case) -> bool:
    """The year before is one that may be asked about."""
    return len(case.spells) == 1 and _moved_in(case) > case.earliest_tax_year


KLASSES = (
    Klass("true", 40, "confirm", _plain),
    Klass("accents-dropped", 6, "confirm", _accents_dropped, lambda c: not c.person["last_name"].isascii()),
    Klass("street-spelt-out", 6, "confirm", _street_spelt, _in_house),
    Klass(
        "second-surname-dropped",
        6,
        "confirm",
        _second_surname_dropped,
        _double,
    ),
    Klass("surnames-swapped", 4, "confirm", _surnames_swapped, _double),
    Klass("street-mistyped", 4, "confirm", _street_mistyped, lambda c: _long_word(c) != ""),
    Klass("mover-old-year", 4, "confirm", lambda c: _old_address(c, _moved_in(c) - 1), _moved),
    Klass("mover-wrong-year", 4, "deny", lambda c: _old_address(c, YEARS[-1]), _moved),
    Klass("wrong-year", 3, "deny", lambda c: {"tax_periods": str(_moved_in(c) - 1)}, _came_late),
    Klass("look-alike-name", 4, "deny", _lookalike, lambda c: c.person["first_name"] in lookalikes()),
    Klass("crowded-no-birth-date", 3, "deny", lambda c: {"date_of_birth": ""}, _undated_crowd),
    Klass("wrong-address", 6, "deny", _wrong_number, _in_house),
    Klass("absent-person", 6, "deny", _absent),
    Klass("ambiguous-sr-jr", 2, "deny", _no_suffix_no_birth, _unclear),
)
"""Those that are about people and addresses, and the same under every agreement."""


def klasses(scenario: Scenario) -> tuple[Klass, ...]:
    """All kinds that are asked under an agreement."""
    return (*KLASSES, *(_of(kind) for kind in scenario.kinds))


def _of(kind: Kind) -> Klass:
    return Klass(kind.name, kind.weight, kind.truth, lambda c: drawn(kind.columns, c.today, c.dice))
