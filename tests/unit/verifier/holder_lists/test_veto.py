"""The holder's veto list: what is valid, what happens to a bad one, and what is reported."""

import json
import stat
from datetime import date
from pathlib import Path

import pytest
from glomar_schemas.errors import Malformed, Misconfigured, Refused
from glomar_verifier import cli
from glomar_verifier.holder_lists.veto import VetoList, check, install, write

DAY = date(2026, 3, 1)


def listed(folder: Path, *lines: str, header: str = "person_id,since,reason") -> Path:
    source = folder / "veto-draft.csv"
    source.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return source


def test_a_person_is_covered_from_the_first_day_on(tmp_path: Path) -> None:
    install(listed(tmp_path, "P1,2026-03-01,informant", "P2,2026-03-02,"), tmp_path / "veto.csv")
    veto = VetoList(tmp_path / "veto.csv")
    assert veto.covers("P1", DAY)
    assert not veto.covers("P2", DAY)
    assert not veto.covers("P3", DAY)
    assert not veto.covers("", DAY)


def test_who_keeps_no_list_vetoes_nobody() -> None:
    veto = VetoList(None)
    veto.refresh()
    assert not veto.covers("P1", DAY)


def test_the_installed_list_holds_no_reason_and_is_its_owners_alone(tmp_path: Path) -> None:
    to = tmp_path / "veto.csv"
    install(listed(tmp_path, "P1,2026-03-01,informant"), to)
    assert to.read_text() == "person_id,since\nP1,2026-03-01\n"
    assert stat.S_IMODE(to.stat().st_mode) == 0o600


def test_the_columns_may_come_in_any_order_and_the_reason_may_be_missing(tmp_path: Path) -> None:
    checked = check(listed(tmp_path, "2026-03-01,P1", header="since,person_id"))
    assert (checked.veto, checked.faults) == ({"P1": DAY}, ())


@pytest.mark.parametrize(
    ("row", "column", "what"),
    [
        (",2026-03-01,", "person_id", "blank"),
        ("  ,2026-03-01,", "person_id", "blank"),
        ("P1,2026-03-02,", "person_id", "is in the list already"),
        ("P2,,", "since", "not a date"),
        ("P2,1 March 2026,", "since", "not a date"),
        ("P2,20260301,", "since", "not a date"),
        ("P2,2026-02-30,", "since", "not a date"),
        ("P2,2026-W09-1,", "since", "not a date"),
        ("P2,2026-03-01", "", "has 2 fields"),
        ('P2,2026-03-01,"', "", "not CSV"),
        ("P2" * 200 + ",2026-03-01,", "person_id", "longer than"),
    ],
)
def test_one_bad_row_is_named_by_line_and_the_old_list_stays(
    tmp_path: Path, row: str, column: str, what: str
) -> None:
    to = tmp_path / "veto.csv"
    write({"P9": DAY}, to)
    checked = install(listed(tmp_path, "P1,2026-03-01,", row, "P3,2026-03-01,"), to)
    [fault] = checked.faults
    assert (fault.line, fault.column) == (3, column)
    assert what in fault.what
    assert VetoList(to).covers("P9", DAY)
    assert not VetoList(to).covers("P1", DAY)


@pytest.mark.parametrize(
    "header", ["person_id,since,name", "person_id", "person_id,person_id,since", "", "P1"]
)
def test_a_bad_header_installs_nothing(tmp_path: Path, header: str) -> None:
    to = tmp_path / "veto.csv"
    with pytest.raises(Malformed, match="header"):
        install(listed(tmp_path, "P1,2026-03-01", header=header), to)
    assert not to.exists()


def test_a_new_list_is_used_and_a_bad_or_missing_one_is_not(tmp_path: Path) -> None:
    to = tmp_path / "veto.csv"
    write({"P1": DAY}, to)
    veto = VetoList(to)
    write({"P2": DAY}, to)
    veto.refresh()
    assert not veto.covers("P1", DAY) and veto.covers("P2", DAY)
    to.write_text("person_id,since\nP1,2026-03-01\n,\n")
    veto.refresh()
    assert not veto.covers("P1", DAY) and veto.covers("P2", DAY)
    to.unlink()
    veto.refresh()
    assert veto.covers("P2", DAY)


def test_nothing_starts_without_the_list_or_with_a_bad_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        VetoList(tmp_path / "veto.csv")
    with pytest.raises(Malformed, match="1 rows of the veto list are bad"):
        VetoList(listed(tmp_path, "P1,soon,"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="nowhere"):
        install(listed(tmp_path, "P1,2026-03-01,"), tmp_path / "nowhere" / "veto.csv")


def test_the_command_names_lines_and_never_a_person_or_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = listed(
        tmp_path, "P1-canary,2026-03-01,canary", "P1-canary,2026-03-01,canary", "P2-canary,canary,"
    )
    with pytest.raises(Refused, match="2 bad rows; nothing was installed") as refused:
        cli.install(source, to=tmp_path / "veto.csv")
    with pytest.raises(Refused):
        cli.install(source, to=tmp_path / "veto.csv", as_json=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in lines[:-1]] == [
        "line 3, person_id: is in the list already",
        "line 4, since: not a date as YYYY-MM-DD",
    ]
    output = json.loads(lines[-1])
    assert (output["version"], output["installed"], len(output["faults"])) == (1, False, 2)
    assert "canary" not in "".join(lines) + str(refused.value)


def test_the_command_says_how_many_people_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.install(listed(tmp_path, "P1,2026-03-01,", "P2,2026-03-01,"), to=tmp_path / "veto.csv")
    assert capsys.readouterr().out.endswith("veto.csv: 2 people\n")
