"""The agency's roll of open cases: what it says about a request, and how strictly it is read."""

import tracemalloc
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import pytest
from glomar_evaluation.synth import case_and_officer, write_roll
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_verifier.cli import check_roll
from glomar_verifier.holder_lists.case_roll import FAULTS_NAMED, CaseRoll, CaseRolls, read_roll
from glomar_verifier.policy.facts import Engagement

TODAY = date(2025, 6, 2)
BOTH = Engagement(case_open=True, officer_engaged=True)
NEITHER = Engagement()
ROWS = (
    "HOU-1,OFF-001,2025-01-10,",
    "HOU-1,OFF-002,2025-03-01,2025-05-01",
    "HOU-2,OFF-001,2024-02-29,2025-06-02",
    "HOU-3,OFF-003,2025-06-03,",
)


def file(path: Path, rows: Iterable[str], header: str = "case_id,officer_id,opened_on,closed_on") -> Path:
    path.write_text("\n".join([header, *rows, ""]))
    return path


@pytest.fixture
def roll(tmp_path: Path) -> CaseRoll:
    return read_roll(file(tmp_path / "roll.csv", ROWS))


@pytest.mark.parametrize(
    ("case_id", "officer_id", "today", "expected"),
    [
        pytest.param("HOU-1", "OFF-001", TODAY, BOTH, id="an open case and its officer"),
        pytest.param("HOU-1", "OFF-001", date(2025, 1, 10), BOTH, id="the day it was opened"),
        pytest.param("HOU-1", "OFF-001", date(2025, 1, 9), NEITHER, id="the day before"),
        pytest.param("HOU-1", "OFF-001", date(9999, 12, 30), BOTH, id="never closed"),
        pytest.param("HOU-1", "OFF-002", date(2025, 4, 30), BOTH, id="the second officer"),
        pytest.param("HOU-1", "OFF-002", TODAY, Engagement(case_open=True), id="who has left an open case"),
        pytest.param("HOU-1", "OFF-003", TODAY, Engagement(case_open=True), id="an officer of another case"),
        pytest.param("HOU-2", "OFF-001", date(2025, 6, 1), BOTH, id="the day before it is closed"),
        pytest.param("HOU-2", "OFF-001", TODAY, NEITHER, id="the day on which it is closed"),
        pytest.param("HOU-3", "OFF-003", TODAY, NEITHER, id="to be opened tomorrow"),
        pytest.param("HOU-4", "OFF-001", TODAY, NEITHER, id="a case nobody knows"),
        pytest.param("hou-1", "OFF-001", TODAY, NEITHER, id="a case in small letters"),
        pytest.param("", "", TODAY, NEITHER, id="no case and no officer"),
        pytest.param("HOU-1", "", TODAY, Engagement(case_open=True), id="no officer"),
    ],
)
def test_a_case_is_open_and_its_officer_engaged(
    roll: CaseRoll, case_id: str, officer_id: str, today: date, expected: Engagement
) -> None:
    assert roll.engagement(case_id, officer_id, today) == expected


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (",OFF-001,2025-01-10,", "line 3, case_id: blank"),
        ("HOU-9, OFF-001,2025-01-10,", "line 3, officer_id: blank, or with blanks around it"),
        ("HOU-9,OFF-001,,", "line 3, opened_on: not a date"),
        ("HOU-9,OFF-001,20250110,", "line 3, opened_on: not a date"),
        ("HOU-9,OFF-001,2025-02-29,", "line 3, opened_on: not a date"),
        ("HOU-9,OFF-001,2025-01-10,soon", "line 3, closed_on: not a date"),
        ("HOU-9,OFF-001,2025-01-10,2025-01-09", "line 3, closed_on: before opened_on"),
        ("HOU-9,OFF-001,2025-01-10", "line 3, row: has 3 fields"),
        ('HOU-9,"OFF,2025-01-10,', "line 3, row: not CSV"),
        ("HOU-1,OFF-001,2025-02-01,", "lines 2 and 3 name the same case and officer"),
    ],
)
def test_a_bad_row_makes_the_whole_file_bad_and_is_named_without_its_values(
    tmp_path: Path, row: str, fault: str
) -> None:
    with pytest.raises(Malformed, match=fault) as raised:
        read_roll(file(tmp_path / "roll.csv", [ROWS[0], row]))
    assert "HOU" not in str(raised.value) and "OFF" not in str(raised.value)


def test_several_faults_are_named_together_up_to_a_limit(tmp_path: Path) -> None:
    with pytest.raises(Malformed) as raised:
        read_roll(file(tmp_path / "roll.csv", [",,,"] * (FAULTS_NAMED + 5)))
    assert str(raised.value).count("line ") == FAULTS_NAMED


@pytest.mark.parametrize("header", ["case_id,officer_id", "case,officer_id,opened_on", ""])
def test_a_header_that_is_not_ours_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(Malformed):
        read_roll(file(tmp_path / "roll.csv", ROWS, header))


def test_a_missing_file_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can't be read"):
        read_roll(tmp_path / "roll.csv")


def test_the_roll_of_one_agency_says_nothing_for_another(tmp_path: Path) -> None:
    file(tmp_path / "one.csv", ROWS)
    rolls = CaseRolls(tmp_path, ["one", "two"])
    assert rolls.engagement("one", "HOU-1", "OFF-001", TODAY) == BOTH
    assert rolls.engagement("two", "HOU-1", "OFF-001", TODAY) == NEITHER
    assert rolls.engagement("three", "HOU-1", "OFF-001", TODAY) == NEITHER


def test_without_a_roll_no_case_is_open(tmp_path: Path) -> None:
    for directory in (None, tmp_path, tmp_path / "absent"):
        assert CaseRolls(directory, ["one"]).engagement("one", "HOU-1", "OFF-001", TODAY) == NEITHER


def test_a_new_roll_is_in_force_and_a_bad_one_leaves_the_old(tmp_path: Path) -> None:
    path = file(tmp_path / "one.csv", ROWS)
    rolls = CaseRolls(tmp_path, ["one"])
    file(path, ["HOU-9,OFF-009,2025-01-01,"])
    rolls.refresh()
    assert rolls.engagement("one", "HOU-9", "OFF-009", TODAY) == BOTH
    assert rolls.engagement("one", "HOU-1", "OFF-001", TODAY) == NEITHER
    file(path, ["HOU-8,OFF-009,2025-01-01,", "broken"])
    rolls.refresh()
    assert rolls.engagement("one", "HOU-9", "OFF-009", TODAY) == BOTH
    assert rolls.engagement("one", "HOU-8", "OFF-009", TODAY) == NEITHER


def test_a_large_roll_takes_some_tens_of_bytes_a_row(tmp_path: Path) -> None:
    rows, path = 20_000, tmp_path / "roll.csv"
    write_roll(rows, path, TODAY)
    tracemalloc.start()
    try:
        roll = read_roll(path)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(roll) == rows
    assert used < 60 * rows
    assert roll.engagement(*case_and_officer(rows), TODAY - timedelta(days=365)) == BOTH


def test_the_roll_can_be_checked_before_it_is_filed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path / "roll.csv", ROWS)
    check_roll(path)
    assert "4 rows" in capsys.readouterr().out
    with pytest.raises(Malformed, match="line 6"):
        check_roll(file(path, [*ROWS, "broken"]))
