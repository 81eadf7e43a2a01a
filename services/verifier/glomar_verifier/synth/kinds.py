"""The kinds of request that the generator makes: what each changes in a lawful one, and the right answer.
`requests` picks among KLASSES and starts from the grounds here; pure but for the dice it is handed."""

import random
from collections.abc import Callable, Mapping
from datetime import date, timedelta

import msgspec
from anyascii import anyascii

from glomar_verifier.synth.addresses import GROUP_QUARTERS_FROM
from glomar_verifier.synth.lookalikes import lookalikes

# The tax years that are asked about.
YEARS = (2023, 2024)
EARLIEST_YEAR = 2010
# In no name list, so nobody in the register bears them.
ABSENT_FIRST_NAMES = ("Leopold", "Octavia", "Wolfgang", "Philippa", "Thaddeus", "Ottilie")
PLACEHOLDER_STREETS = (
    "Don't Care 12345",
    "Unknown",
    "Failed to Provide",
    "General Delivery",
    "N/A",
    "Homeless",
)
CIVIL_STATUTES = ("8 U.S.C. 1227", "8 U.S.C. 1202", "8 U.S.C. 1182")
SPELT_OUT = {
    "N": "North", "S": "South", "E": "East", "W": "West", "St": "Street", "Ave": "Avenue", "Rd": "Road",
    "Dr": "Drive", "Ln": "Lane", "Blvd": "Boulevard", "Ct": "Court", "Pl": "Place",
}  # fmt: skip

Row = dict[str, str]
Spells = list[Mapping[str, str]]


class Case(msgspec.Struct, frozen=True):
    """What the generator knows when it shapes one request: the person's spells, the day, the dice."""

    spells: Spells
    today: date
    dice: random.Random

    @property
    def person(self) -> Mapping[str, str]:
        return self.spells[-1]


class Klass(msgspec.Struct, frozen=True):
    """A kind of request. `truth` is `confirm`, `deny` or `refused:` with condition ids joined by `;`;
    `change` gives the columns that differ from a lawful, true request."""

    name: str
    weight: int
    truth: str
    change: Callable[[Case], Row]
    fits: Callable[[Case], bool] = lambda case: True


def criminal_ground(case: Case) -> Row:
    """No clock runs for it; the order is just old."""
    return {
        "ground": "criminal-investigation",
        "statute": "8 U.S.C. 1326",
        "final_order_date": _ago(case, 400),
    }


def order_ground(case: Case, days: int) -> Row:
    """8 U.S.C. 1253(a)(1)(A), with the final order `days` ago."""
    return {
        "ground": "removal-order-90-days",
        "statute": "8 U.S.C. 1253(a)(1)(A)",
        "final_order_date": _ago(case, days),
    }


def _ago(case: Case, days: int) -> str:
    return (case.today - timedelta(days=days)).isoformat()


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
    """Two neighbouring letters of the street's name change places."""
    name = case.person["street_name"]
    at = name.index(_long_word(case)) + 2
    return {"street_name": f"{name[:at]}{name[at + 1]}{name[at]}{name[at + 2 :]}"}


def _long_word(case: Case) -> str:
    """A word long enough that a slip in it makes no other street of it; blank if there is none."""
    words = case.person["street_name"].split()
    return next((word for word in words if len(word) > 7 and word.isalpha() and word[2] != word[3]), "")


def _lookalike(case: Case) -> Row:
    """Another real name, one letter away; whoever bears it doesn't live here, since initials differ."""
    return {
        "first_name": case.dice.choice(lookalikes()[case.person["first_name"]]),
        "middle_name": "",
        "date_of_birth": "",
    }


def _old_address(case: Case, year: int) -> Row:
    columns = ("street_number", "street_name", "unit", "po_box", "city", "state", "zip")
    return {**{column: case.spells[0][column] for column in columns}, "tax_periods": str(year)}


def _moved_in(case: Case) -> int:
    return int(case.person["from_year"])


def _wrong_number(case: Case) -> Row:
    return {"street_number": str(int(case.person["street_number"]) + 1)}


def _absent(case: Case) -> Row:
    return {"first_name": case.dice.choice(ABSENT_FIRST_NAMES), "date_of_birth": "", "middle_name": ""}


def _no_suffix_no_birth(case: Case) -> Row:
    return {"suffix": "", "date_of_birth": "", "middle_name": ""}


def _placeholder(case: Case) -> Row:
    return {
        "street_number": "",
        "unit": "",
        "po_box": "",
        "street_name": case.dice.choice(PLACEHOLDER_STREETS),
    }


def _civil(case: Case) -> Row:
    return {**criminal_ground(case), "statute": case.dice.choice(CIVIL_STATUTES)}


def in_crowd(case: Case) -> bool:
    """Lives in group quarters, where nobody is confirmed without a date of birth."""
    return any(
        spell["street_number"] and int(spell["street_number"]) >= GROUP_QUARTERS_FROM for spell in case.spells
    )


def _in_house(case: Case) -> bool:
    return case.person["street_number"] != ""


def _double(case: Case) -> bool:
    return " " in case.person["last_name"]


def _moved(case: Case) -> bool:
    return len(case.spells) > 1


def _came_late(case: Case) -> bool:
    """The year before is one that may be asked about."""
    return len(case.spells) == 1 and _moved_in(case) > EARLIEST_YEAR


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
    Klass("day-90", 3, "confirm", lambda c: order_ground(c, 90)),
    Klass("mover-wrong-year", 4, "deny", lambda c: _old_address(c, YEARS[-1]), _moved),
    Klass("wrong-year", 3, "deny", lambda c: {"tax_periods": str(_moved_in(c) - 1)}, _came_late),
    Klass("look-alike-name", 4, "deny", _lookalike, lambda c: c.person["first_name"] in lookalikes()),
    Klass("crowded-no-birth-date", 3, "deny", lambda c: {"date_of_birth": ""}, in_crowd),
    Klass("wrong-address", 6, "deny", _wrong_number, _in_house),
    Klass("absent-person", 6, "deny", _absent),
    Klass("ambiguous-sr-jr", 2, "deny", _no_suffix_no_birth, lambda c: c.person["suffix"] == "Jr"),
    Klass("day-89", 3, "refused:L7", lambda c: order_ground(c, 89)),
    Klass("placeholder-address", 5, "refused:L2", _placeholder),
    Klass("missing-name", 2, "refused:L2", lambda c: {"first_name": ""}),
    Klass("civil-statute", 3, "refused:L4", _civil),
    Klass("voter-rolls", 2, "refused:L8", lambda c: {"intended_use": "voter-rolls"}),
    Klass("unnotified-ai", 2, "refused:L8", lambda c: {"automated_analysis": "true"}),
    Klass("expired", 2, "refused:L11", lambda c: {"expires_at": f"{_ago(c, 1)}T00:00:00Z"}),
)
