"""Birth dates that too many people of a register share."""

import random
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from glomar_verifier.matching.match import decide
from glomar_verifier.register.shared_births import shared_births
from msgspec.structs import replace

from tests.support.registers import ANA, RULES, opened, query

ARRIVAL = date(1983, 5, 6)


def births(number: int, first: int = 1935, last: int = 2005) -> Counter[int]:
    """So many people, born on random days of these years."""
    dice = random.Random(7)
    days = range(date(first, 1, 1).toordinal(), date(last, 12, 31).toordinal())
    return Counter(dice.choices(days, k=number))


@pytest.mark.parametrize("number", [5, 300, 20_000, 1_000_000])
def test_a_day_given_to_many_is_found_and_no_other(number: int) -> None:
    people = births(number)
    assert shared_births(people, RULES) == ()
    people[ARRIVAL.toordinal()] += 5 + number // 2_000
    assert shared_births(people, RULES) == (ARRIVAL,)


def test_few_are_no_crowd() -> None:
    assert shared_births({ARRIVAL.toordinal(): 4}, RULES) == ()
    assert shared_births({ARRIVAL.toordinal(): 5}, RULES) == (ARRIVAL,)


def test_a_shared_date_vouches_for_nobody_and_still_contradicts(tmp_path: Path) -> None:
    born = ARRIVAL.isoformat()
    others = [
        {**ANA, "person_id": f"P{n}", "street_number": str(n), "date_of_birth": born} for n in range(2, 9)
    ]
    rows = [{**ANA, "suffix": "Jr", "date_of_birth": born}, *others]
    register = opened(tmp_path, rows)

    def outcome(suffix: str, day: date | None) -> str:
        asked = replace(query({**ANA, "suffix": suffix}), date_of_birth=day)
        return decide(register.candidates(asked), asked, RULES).outcome

    assert outcome("Jr", ARRIVAL) == outcome("Jr", None) == "confirm"
    assert outcome("", ARRIVAL) == outcome("Jr", date(1983, 5, 7)) == "deny"
    register.close()


@pytest.mark.parametrize(
    ("recorded", "requested", "suffix", "outcome"),
    [
        ("1900-01-01", "1900-01-01", "", "deny"),
        ("1900-01-01", "1900-01-01", "Jr", "confirm"),
        ("1900-01-01", "1975-03-02", "Jr", "confirm"),
        ("1899-12-30", "1975-03-02", "Jr", "confirm"),
        ("1970-01-01", "1970-01-01", "", "deny"),
        ("1970-01-01", "1970-01-01", "Jr", "confirm"),
        ("1970-01-01", "1975-03-02", "Jr", "deny"),
        ("1985-01-01", "1985-01-01", "", "deny"),
        ("1985-01-02", "1985-01-02", "", "confirm"),
    ],
)
def test_a_date_that_stands_for_an_unknown_one_vouches_for_nobody(
    tmp_path: Path, recorded: str, requested: str, suffix: str, outcome: str
) -> None:
    register = opened(tmp_path, [{**ANA, "suffix": "Jr", "date_of_birth": recorded}])
    asked = query({**ANA, "suffix": suffix, "date_of_birth": requested})
    assert decide(register.candidates(asked), asked, RULES).outcome == outcome
    register.close()
