"""The kinds of request that the generator makes: what each changes in a lawful one, and the right answer.
`requests` picks among KLASSES and starts from the grounds here; pure but for the dice it is handed."""

import random
from collections.abc import Callable, Mapping
from datetime import date, timedelta

import msgspec
from anyascii import anyascii

from glomar_verifier.synth.people import MOVED_IN

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


def _old_address(case: Case, years: str) -> Row:
    columns = ("street_number", "street_name", "unit", "po_box", "city", "state", "zip")
    return {**{column: case.spells[0][column] for column in columns}, "tax_periods": years}


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


def _in_house(case: Case) -> bool:
    return case.person["street_number"] != ""


def _moved(case: Case) -> bool:
    return len(case.spells) > 1


KLASSES = (
    Klass("true", 40, "confirm", _plain),
    Klass("accents-dropped", 6, "confirm", _accents_dropped, lambda c: not c.person["last_name"].isascii()),
    Klass("street-spelt-out", 6, "confirm", _street_spelt, _in_house),
    Klass(
        "second-surname-dropped",
        6,
        "confirm",
        _second_surname_dropped,
        lambda c: " " in c.person["last_name"],
    ),
    Klass("mover-old-year", 4, "confirm", lambda c: _old_address(c, str(MOVED_IN - 1)), _moved),
    Klass("day-90", 3, "confirm", lambda c: order_ground(c, 90)),
    Klass("mover-wrong-year", 4, "deny", lambda c: _old_address(c, str(MOVED_IN)), _moved),
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
