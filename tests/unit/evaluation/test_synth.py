"""The generator: synthetic people, and requests whose right answers the match confirms."""

import csv
from collections import Counter
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import pytest
from glomar_evaluation.cli import synth as command
from glomar_evaluation.synth import TRUTH_COLUMNS, people, requests, write_register
from glomar_evaluation.synth.kinds import request_kinds
from glomar_evaluation.synth.scenario import load_scenario
from glomar_schemas.errors import Misconfigured
from glomar_schemas.request_file import COLUMNS as REQUEST_COLUMNS
from glomar_verifier.offline.decide_file import check, decisions_file
from glomar_verifier.policy.sufficiency import is_placeholder
from glomar_verifier.register.extract import COLUMNS

from tests.support.registers import RULES, has_complete_address, opened, particulars

TODAY = date(2025, 6, 1)
PEOPLE, ASKED, SEED = 1_500, 600, 11

Row = dict[str, str]


@pytest.fixture(scope="module")
def register_rows() -> list[Row]:
    return list(people(PEOPLE, SEED))


@pytest.fixture(scope="module")
def request_rows(register_rows: list[Row]) -> list[Row]:
    return list(requests(register_rows, ASKED, SEED, TODAY))


def test_one_seed_makes_one_world(register_rows: list[Row], request_rows: list[Row]) -> None:
    assert list(people(PEOPLE, SEED)) == register_rows
    assert list(requests(people(PEOPLE, SEED), ASKED, SEED, TODAY)) == request_rows
    assert list(people(PEOPLE, SEED + 1)) != register_rows


def test_a_larger_register_begins_like_a_smaller_one(register_rows: list[Row]) -> None:
    assert list(islice(people(10**9, SEED), 100)) == register_rows[:100]


def test_there_are_as_many_people_as_asked_for_and_a_mover_has_two_spells(register_rows: list[Row]) -> None:
    spells = Counter(row["person_id"] for row in register_rows)
    assert len(spells) == PEOPLE
    assert set(spells.values()) == {1, 2}


def test_the_register_has_the_people_that_are_hard_to_tell_apart(register_rows: list[Row]) -> None:
    homes: dict[tuple[str, ...], list[Row]] = {}
    for row in register_rows:
        place = tuple(row[c] for c in ("street_number", "street_name", "unit", "po_box", "zip"))
        homes.setdefault(place, []).append(row)
    together = [home for home in homes.values() if len(home) > 1]
    assert any({"Sr", "Jr"} <= {row["suffix"] for row in home} for home in together)
    born = [[row["date_of_birth"] for row in home if row["date_of_birth"]] for home in together]
    assert any(len(set(dates)) < len(dates) for dates in born)
    assert any(not row["last_name"].isascii() for row in register_rows)
    assert any(" " in row["last_name"] for row in register_rows)
    assert any(row["unit"] for row in register_rows)
    assert any(row["po_box"] for row in register_rows)


def test_every_registered_address_and_name_is_sufficient(register_rows: list[Row]) -> None:
    for row in register_rows:
        assert not is_placeholder(row["first_name"], RULES)
        assert not is_placeholder(row["last_name"], RULES)
        assert has_complete_address(row)


def test_requests_have_the_columns_of_the_file_and_every_class(request_rows: list[Row]) -> None:
    assert len(request_rows) == ASKED
    assert all(set(row) == {*REQUEST_COLUMNS, *TRUTH_COLUMNS} for row in request_rows)
    assert {row["klass"] for row in request_rows} == {kind.name for kind in request_kinds(load_scenario())}


def test_cases_references_reasons_and_names_are_one_for_each_person(request_rows: list[Row]) -> None:
    for column in ("case_id", "reference", "reason"):
        assert len({row[column] for row in request_rows}) == ASKED
    for row in request_rows:
        assert len(row["reason"]) >= 60
        assert row["case_id"] in row["reason"]
        assert row["last_name"] not in row["reason"]


def test_the_register_confirms_and_denies_as_the_truth_says(
    tmp_path: Path, register_rows: list[Row], request_rows: list[Row]
) -> None:
    register = opened(tmp_path, register_rows)
    for row in request_rows:
        if not row["truth"].startswith("refused"):
            years = tuple(int(year) for year in row["tax_periods"].split(";"))
            assert check(register, particulars(row), years, RULES).outcome == row["truth"], row["klass"]
    register.close()


def test_refused_requests_fail_what_they_say_and_the_others_do_not(request_rows: list[Row]) -> None:
    for row in request_rows:
        refused = set(row["truth"].removeprefix("refused:").split(";")) if ":" in row["truth"] else set()
        insufficient = is_placeholder(row["first_name"], RULES) or not has_complete_address(row)
        assert insufficient == ("L2" in refused)
        assert (row["statute"] in ("8 U.S.C. 1326", "8 U.S.C. 1253(a)(1)(A)")) == ("L4" not in refused)
        days = (TODAY - date.fromisoformat(row["final_order_date"])).days
        assert (row["ground"] == "removal-order-90-days" and days < 90) == ("L7" in refused)
        misused = row["intended_use"] != "criminal-investigation" or row["automated_analysis"] == "true"
        assert misused == ("L8" in refused)
        assert (row["expires_at"] != "") == ("L11" in refused)


def test_the_days_at_the_edge_are_the_89th_and_the_90th(request_rows: list[Row]) -> None:
    dates = {row["klass"]: row["final_order_date"] for row in request_rows}
    assert dates["day-89"] == (TODAY - timedelta(days=89)).isoformat()
    assert dates["day-90"] == (TODAY - timedelta(days=90)).isoformat()


def test_the_written_register_is_the_file_of_the_contract(tmp_path: Path) -> None:
    out = tmp_path / "people.csv"
    assert write_register(50, SEED, out) == len(list(people(50, SEED)))
    with out.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert list(reader) == list(people(50, SEED))
        assert tuple(reader.fieldnames or ()) == COLUMNS


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "nothing to write"),
        ({"people": 0}, "no person to make"),
        ({"seed": -1}, "--seed: below 0"),
        ({"requests": 5}, "nowhere to write the requests"),
        ({"truth": Path("truth.csv")}, "nowhere to write the requests"),
        ({"requests_out": Path("requests.csv")}, "no request to make"),
        ({"requests_out": Path("requests.csv"), "requests": -1}, "no request to make"),
    ],
)
def test_numbers_and_files_that_do_not_fit_are_reported_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    out = {"out": Path("register.csv")} if given else {}
    with pytest.raises(Misconfigured, match=what):
        command(**{**out, **given})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out", [".", ""])
def test_decisions_do_not_go_where_a_directory_is(tmp_path: Path, out: str) -> None:
    for path in (tmp_path / out, Path(out)):
        with pytest.raises(Misconfigured, match="is a directory"), decisions_file(path):
            pass
