"""The generated request file has the shape of the real one."""

from collections import Counter
from datetime import date

import pytest
from glomar_evaluation.synth.people import people
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.policy.sufficiency import is_complete_address

from tests.support.bulk import COMPLETE, COMPLETE_SHARE, INCOMPLETE, REASONS, bulk

N = 2_000
ROWS = list(bulk(people(N, 7), N, 7, date(2025, 6, 26)))


def test_one_row_a_person_and_the_same_for_the_same_seed() -> None:
    assert len(ROWS) == N
    assert list(bulk(people(N, 7), N, 7, date(2025, 6, 26))) == ROWS


def test_few_have_an_address_and_every_way_to_have_none_comes_up() -> None:
    counted = Counter(row["klass"] for row in ROWS)

    assert counted[COMPLETE] == N * COMPLETE_SHARE
    assert counted.keys() == {COMPLETE, *INCOMPLETE}


def test_one_officer_and_a_few_reasons_for_all() -> None:
    assert len({row["officer_id"] for row in ROWS}) == 1
    assert {row["reason"] for row in ROWS} == set(REASONS)


@pytest.mark.parametrize("klass", [COMPLETE, *INCOMPLETE])
def test_only_the_complete_ones_have_an_address_that_could_be_one(klass: str) -> None:
    rules = load_rules()
    for row in ROWS:
        if row["klass"] == klass:
            complete = is_complete_address(
                street_number=row["street_number"],
                street_name=row["street_name"],
                po_box=row["po_box"],
                city=row["city"],
                state=row["state"],
                zip_code=row["zip"],
                form="us",
                rules=rules,
            )
            assert complete is (klass == COMPLETE), row["reference"]
