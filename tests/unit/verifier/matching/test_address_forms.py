"""Forms of addresses from all states and territories and the military: each is complete by condition L2, and
equal to its other spellings. The forms follow USPS Publication 28 and public documentation; nobody lives
there."""

import csv
from itertools import groupby
from pathlib import Path

import pytest
from glomar_verifier.matching.addresses import NormalAddress, normal_address
from glomar_verifier.matching.places import same_delivery_point, same_units
from glomar_verifier.policy.sufficiency import is_complete_address

from tests.support.registers import RULES

FILE = Path(__file__).parents[3] / "data/address_forms.csv"
with FILE.open(encoding="utf-8", newline="") as file:
    FORMS = {
        number: list(rows)
        for number, rows in groupby(list(csv.DictReader(file)), key=lambda row: row["form"])
    }


def normal(row: dict[str, str]) -> NormalAddress:
    return normal_address(
        number=row["street_number"],
        street=row["street_name"],
        unit=row["unit"],
        po_box=row["po_box"],
        urbanization=row["urbanization"],
        city=row["city"],
        state=row["state"],
        zip_code=row["zip"],
        rules=RULES,
    )


def are_one(one: NormalAddress, other: NormalAddress) -> bool:
    return same_delivery_point(one, other, RULES, same_birth=False) and same_units(one, other, RULES)


def test_the_forms_are_of_every_state_and_territory_and_of_the_military() -> None:
    rows = [row for rows in FORMS.values() for row in rows]
    assert len(FORMS) >= 200
    assert {row["state"] for row in rows} == {*RULES.postal.state_codes.values()} - {"FM", "MH", "PW"}


@pytest.mark.parametrize("number", FORMS)
def test_an_address_is_complete_and_equal_to_its_other_spellings(number: str) -> None:
    rows = FORMS[number]
    for row in rows:
        assert is_complete_address(
            row["street_number"],
            row["street_name"],
            row["po_box"],
            row["city"],
            row["state"],
            row["zip"],
            "us",
            rules=RULES,
        ), row
        assert are_one(normal(rows[0]), normal(row)), (normal(rows[0]), normal(row))


def test_no_two_forms_are_one_address() -> None:
    """Those in one ZIP code that are written in different forms."""
    rows = [(number, normal(row)) for number, rows in FORMS.items() for row in rows[:1]]
    for number, address in rows:
        for other, another in rows:
            if number < other and address.zip5 == another.zip5:
                assert not are_one(address, another), (address, another)
