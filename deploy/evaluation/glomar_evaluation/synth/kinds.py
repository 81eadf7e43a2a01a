"""The kinds of synthetic request: what each changes in a lawful request, and the right answer."""

import random
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache

import msgspec
from anyascii import anyascii
from rapidfuzz.distance import Levenshtein

from glomar_evaluation.synth.people import GROUP_QUARTERS_FROM
from glomar_evaluation.synth.scenario import EARLIEST_TAX_YEAR, Row, Scenario, ScenarioKind, draw_columns
from glomar_evaluation.synth.tables import load_tables

# The requested tax years.
YEARS = (2023, 2024)
# In no name list of the generator, so nobody in the register has them.
ABSENT_FIRST_NAMES = ("Leopold", "Octavia", "Wolfgang", "Philippa", "Thaddeus", "Ottilie")
SPELT_OUT = {
    "N": "North", "S": "South", "E": "East", "W": "West", "St": "Street", "Ave": "Avenue", "Rd": "Road",
    "Dr": "Drive", "Ln": "Lane", "Blvd": "Boulevard", "Ct": "Court", "Pl": "Place",
}  # fmt: skip

COMMON_NAMES = 200

Spells = list[Mapping[str, str]]


class RequestContext(msgspec.Struct, frozen=True):
    """The inputs of one request: the person's address spells, the newest last, the day, and the random
    numbers."""

    spells: Spells
    today: date
    rng: random.Random
    birth_date_needed: bool = False
    earliest_tax_year: int = EARLIEST_TAX_YEAR

    @property
    def person(self) -> Mapping[str, str]:
        return self.spells[-1]

    @property
    def crowded(self) -> bool:
        """The person lives in group quarters, where nobody is confirmed without a birth date."""
        number = self.person["street_number"]
        return number.isdecimal() and int(number) >= GROUP_QUARTERS_FROM


class RequestKind(msgspec.Struct, frozen=True):
    """A kind of request. `truth` is `confirm`, `deny` or `refused:` with condition ids joined by `;`.
    `change` gives the columns that differ from a lawful, true request; `fits` says whether the kind applies
    to the person."""

    name: str
    weight: int
    truth: str
    change: Callable[[RequestContext], Row]
    fits: Callable[[RequestContext], bool] = lambda context: True


def _plain(context: RequestContext) -> Row:
    return {}


def _accents_dropped(context: RequestContext) -> Row:
    return {
        column: anyascii(context.person[column]).upper()
        for column in ("first_name", "middle_name", "last_name")
    }


def _street_spelt_out(context: RequestContext) -> Row:
    words = context.person["street_name"].split()
    return {"street_name": " ".join(SPELT_OUT.get(word, word) for word in words).upper()}


def _second_surname_dropped(context: RequestContext) -> Row:
    return {"last_name": context.person["last_name"].split()[0]}


def _surnames_swapped(context: RequestContext) -> Row:
    first, second = context.person["last_name"].split()
    return {"last_name": f"{second} {first}"}


def _street_mistyped(context: RequestContext) -> Row:
    """One x inserted: the result is no other street's name, as it might be with two letters swapped."""
    name = context.person["street_name"]
    at = name.index(_long_word(context)) + 2
    return {"street_name": f"{name[:at]}x{name[at:]}"}


def _long_word(context: RequestContext) -> str:
    """A word so long that a slip in it does not make the name of another street; blank if there is none."""
    words = context.person["street_name"].split()
    return next((word for word in words if len(word) > 7 and word.isalpha() and word[2] != word[3]), "")


def _lookalike(context: RequestContext) -> Row:
    """Another common name, one letter away. Nobody in the household has it, since their initials differ."""
    return {
        "first_name": context.rng.choice(lookalikes()[context.person["first_name"]]),
        "middle_name": "",
        "date_of_birth": context.person["date_of_birth"] if context.birth_date_needed else "",
    }


@cache
def lookalikes() -> Mapping[str, tuple[str, ...]]:
    """First name -> other common first names with the same initial, one letter inserted, deleted or replaced:
    Juan and Juana, Maria and Mario."""
    names = sorted({str(name) for each in load_tables().first.values() for name in each.names[:COMMON_NAMES]})
    plain = {name: anyascii(name).upper() for name in names}
    pairs = (
        (name, other)
        for name in names
        for other in names
        if name[0] == other[0] and Levenshtein.distance(plain[name], plain[other], score_cutoff=1) == 1
    )
    found: dict[str, list[str]] = {}
    for name, other in pairs:
        found.setdefault(name, []).append(other)
    return {name: tuple(others) for name, others in found.items()}


def _old_address(context: RequestContext, year: int) -> Row:
    columns = ("street_number", "street_name", "unit", "po_box", "urbanization", "city", "state", "zip")
    return {**{column: context.spells[0][column] for column in columns}, "tax_periods": str(year)}


def _moved_in(context: RequestContext) -> int:
    return int(context.person["from_year"])


def _wrong_number(context: RequestContext) -> Row:
    return {"street_number": str(int(context.person["street_number"]) + 1)}


def _absent(context: RequestContext) -> Row:
    birth = context.person["date_of_birth"] if context.birth_date_needed else ""
    return {"first_name": context.rng.choice(ABSENT_FIRST_NAMES), "date_of_birth": birth, "middle_name": ""}


def _no_suffix_no_birth(context: RequestContext) -> Row:
    return {"suffix": "", "date_of_birth": "", "middle_name": ""}


def _unclear(context: RequestContext) -> bool:
    return context.person["suffix"] == "Jr" and not context.birth_date_needed


def _undated_crowd(context: RequestContext) -> bool:
    return context.crowded and not context.birth_date_needed


def _in_house(context: RequestContext) -> bool:
    return context.person["street_number"] != ""


def _double(context: RequestContext) -> bool:
    return " " in context.person["last_name"]


def _moved(context: RequestContext) -> bool:
    return len(context.spells) > 1 and _moved_in(context) > context.earliest_tax_year


def _came_late(context: RequestContext) -> bool:
    """The year before the person moved in may be requested."""
    return len(context.spells) == 1 and _moved_in(context) > context.earliest_tax_year


KINDS = (
    RequestKind("true", 40, "confirm", _plain),
    RequestKind(
        "accents-dropped", 6, "confirm", _accents_dropped, lambda c: not c.person["last_name"].isascii()
    ),
    RequestKind("street-spelt-out", 6, "confirm", _street_spelt_out, _in_house),
    RequestKind(
        "second-surname-dropped",
        6,
        "confirm",
        _second_surname_dropped,
        _double,
    ),
    RequestKind("surnames-swapped", 4, "confirm", _surnames_swapped, _double),
    RequestKind("street-mistyped", 4, "confirm", _street_mistyped, lambda c: _long_word(c) != ""),
    RequestKind("mover-old-year", 4, "confirm", lambda c: _old_address(c, _moved_in(c) - 1), _moved),
    RequestKind("mover-wrong-year", 4, "deny", lambda c: _old_address(c, YEARS[-1]), _moved),
    RequestKind("wrong-year", 3, "deny", lambda c: {"tax_periods": str(_moved_in(c) - 1)}, _came_late),
    RequestKind("look-alike-name", 4, "deny", _lookalike, lambda c: c.person["first_name"] in lookalikes()),
    RequestKind("crowded-no-birth-date", 3, "deny", lambda c: {"date_of_birth": ""}, _undated_crowd),
    RequestKind("wrong-address", 6, "deny", _wrong_number, _in_house),
    RequestKind("absent-person", 6, "deny", _absent),
    RequestKind("ambiguous-sr-jr", 2, "deny", _no_suffix_no_birth, _unclear),
)
"""Kinds that concern people and addresses only, the same under every agreement."""


def request_kinds(scenario: Scenario) -> tuple[RequestKind, ...]:
    """All kinds of request under an agreement."""
    return (*KINDS, *(_from_scenario(kind) for kind in scenario.kinds))


def _from_scenario(kind: ScenarioKind) -> RequestKind:
    return RequestKind(
        kind.name, kind.weight, kind.truth, lambda c: draw_columns(kind.columns, c.today, c.rng)
    )
