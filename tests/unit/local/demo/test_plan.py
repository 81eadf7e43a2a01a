"""What a demo asks: as many requests as were wanted, of every kind."""

import csv
from datetime import date
from pathlib import Path

import pytest
from glomar_local.demo.population import write_requests
from glomar_local.demo.run import plan
from glomar_local.demo.tables import KLASSES
from glomar_schemas.request_file import COLUMNS

TODAY = date(2026, 3, 2)


@pytest.mark.parametrize("number", [1, 9, 10, 100, 1000, 4000])
def test_there_are_as_many_requests_as_wanted(number: int) -> None:
    planned = plan(number, TODAY)

    assert len(planned.rows) + planned.forged + planned.malformed == number


def test_a_thousand_hold_every_kind_and_each_has_its_name() -> None:
    planned = plan(1000, TODAY)

    kinds = {row["klass"] for row in planned.rows} | {"forged-signature", "malformed-bytes"}
    assert kinds == set(KLASSES)


def test_the_truth_is_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"

    write_requests(plan(50, TODAY).rows, path)

    with path.open(encoding="utf-8", newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
