"""What `explain` shows the record holder's own staff about a request, and what it hides from them."""

import json
from pathlib import Path

import pytest
from glomar_schemas.errors import GlomarError, Misconfigured
from glomar_verifier.offline.cli import explain as command
from glomar_verifier.offline.explain import explain
from glomar_verifier.offline.request_row import read_query
from glomar_verifier.register.sqlite import SqliteRegister

from tests.support.registers import ANA, RULES, opened

SISTER = {**ANA, "person_id": "P2", "first_name": "Eva", "date_of_birth": "1984-02-01"}
ASKED = {
    column: value for column, value in ANA.items() if column not in ("person_id", "from_year", "to_year")
}


@pytest.fixture
def register(tmp_path: Path) -> SqliteRegister:
    return opened(tmp_path, [ANA, SISTER])


def why(register: SqliteRegister, **changes: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    request = read_query({**ASKED, "tax_periods": "2023;2024", **changes})
    found = explain(register, *request, RULES)
    return found.reason, {one.person_id: one.failed for one in found.near}


def test_it_says_which_gate_failed_for_whom(register: SqliteRegister) -> None:
    assert why(register) == (
        "exactly one person passes every gate",
        {"P1": (), "P2": ("first-name", "date-of-birth")},
    )
    assert why(register, street_name="N Walnut St", unit="9")[1]["P1"] == ("delivery-point", "unit")
    assert why(register, tax_periods="2001")[1] == {}
    assert why(register, street_number="9")[1] == {"P1": ("delivery-point",)}
    assert why(register, street_number="9", date_of_birth="")[0].startswith("nobody near")


def test_it_says_why_two_are_one_too_many(tmp_path: Path) -> None:
    twin = {**ANA, "person_id": "P3"}
    assert why(opened(tmp_path, [ANA, twin]))[0] == "several people pass every gate"


def test_the_command_takes_a_file_or_fields_and_tells_ids_and_gates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(tmp_path, [ANA, SISTER]).close()
    request = tmp_path / "requests.csv"
    columns = {**ASKED, "tax_periods": "2024"}
    request.write_text(",".join(columns) + "\n" + ",".join(columns.values()) + "\n", encoding="utf-8")
    command(db=str(tmp_path / "register.db"), request=request, as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert (answer["version"], answer["line"], answer["outcome"]) == (1, 2, "confirm")
    named = tmp_path / "requests.ndjson"
    named.write_text(json.dumps({**columns, "tax_periods": [2024], "reason": "x" * 1_000}), encoding="utf-8")
    command(db=str(tmp_path / "register.db"), request=named, as_json=True)
    assert json.loads(capsys.readouterr().out) == {**answer, "line": 1}
    command(*(f"{name}={value}" for name, value in columns.items()), db=str(tmp_path / "register.db"))
    said = capsys.readouterr()
    assert "line 1: confirm" in said.out and "P2 2015-9999: first-name, date-of-birth" in said.out
    assert "    ! first-name      ANA | EVA" in said.out
    assert "      surname         GARCIA LOPEZ | GARCIA LOPEZ" in said.out
    assert said.err == "no condition of an agreement was applied\n"


def test_each_gate_shows_both_sides_in_normal_form(register: SqliteRegister) -> None:
    asked = {**ASKED, "last_name": "García Müller Jr", "unit": "", "street_name": "Chestnut Street"}
    found = explain(register, *read_query({**asked, "tax_periods": "2023;2024"}), RULES)
    sides = {one.gate: (one.passes, one.requested, one.recorded) for one in found.near[0].gates}
    assert sides["surname"] == (False, "GARCIA MULLER or GARCIA MUELLER", "GARCIA LOPEZ")
    assert sides["suffix"] == (True, "JR", "")
    assert sides["delivery-point"] == (True, "120 CHESTNUT ST", "120 N CHESTNUT ST")
    assert sides["date-of-birth"] == (True, "1980-05-17", "1980-05-17")
    assert sides["years"] == (True, "2023 2024", "2015-9999")


@pytest.mark.parametrize(
    "fields",
    [(), ("first_nam=Ana",), ("first_name=Ana", "zip=1"), ("tax_periods=soon",), ("date_of_birth=x",)],
)
def test_what_is_no_request_is_refused_in_one_line(tmp_path: Path, fields: tuple[str, ...]) -> None:
    opened(tmp_path, [ANA]).close()
    with pytest.raises(GlomarError) as refusal:
        command(*fields, db=str(tmp_path / "register.db"))
    assert "\n" not in str(refusal.value) and "Ana" not in str(refusal.value)


def test_a_request_without_years_is_refused() -> None:
    with pytest.raises(GlomarError, match="tax_periods"):
        read_query(ASKED)


def test_a_file_and_columns_at_once_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="a file and columns at once"):
        command("zip=77002", db=str(tmp_path / "register.db"), request=tmp_path / "requests.csv")
