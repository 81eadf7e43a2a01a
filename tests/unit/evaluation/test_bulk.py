"""The generated request file has the shape of the real one."""

from collections import Counter
from datetime import date

import pytest
from glomar_evaluation.synth.people import people

from tests.support.bulk import COMPLETE, COMPLETE_SHARE, INCOMPLETE, REASONS, bulk
from tests.support.registers import has_complete_address

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
    for row in ROWS:
        if row["klass"] == klass:
            assert has_complete_address(row) is (klass == COMPLETE), row["reference"]
