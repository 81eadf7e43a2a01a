"""One suite for both registers: a SQLite file and a real PostgreSQL server."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from glomar_schemas.errors import IntegrityError, Malformed, Misconfigured
from glomar_verifier.cli import check_register
from glomar_verifier.matching.match import RegisterRecord
from glomar_verifier.matching.rules import Rules
from glomar_verifier.offline.cli import explain
from glomar_verifier.offline.decide_file import check
from glomar_verifier.offline.request_row import QUERY_COLUMNS
from glomar_verifier.register import LiveRegister, integrity
from glomar_verifier.register.build import build_into
from glomar_verifier.register.open import is_server, open_place
from msgspec.structs import replace

from tests.support.postgres import Server, postgres
from tests.support.registers import ANA, RULES, YEARS, particulars, query, record, write_csv

Rows = Iterable[Mapping[str, str]]


class Place:
    """The place of one register; builds, changes and opens it."""

    def __init__(self, folder: Path, where: str) -> None:
        self.folder = folder
        self.where = where

    def build(self, *rows: Mapping[str, str]) -> None:
        build_into(self.where, write_csv(self.folder / "extract.csv", rows), RULES)

    def change(self, statement: str) -> None:
        """Runs a statement with `{schema}` and `{blob}` filled in, also while the register is open."""
        if not is_server(self.where):
            # An open file is replaced, never changed.
            path = Path(self.where)
            copy = shutil.copy(path, path.with_suffix(".changed"))
            with closing(sqlite3.connect(copy)) as database, database:
                database.execute(statement.format(schema="", blob="x'00'"))
            Path(copy).replace(path)
            return
        with psycopg.connect(self.where) as server:
            found = server.execute("SELECT max(number) FROM glomar_register.build").fetchone()
            assert found is not None
            schema = f"glomar_register_{found[0]}."
            server.execute(statement.format(schema=schema, blob="'\\x00'").encode())

    def open(self, rules: Rules = RULES) -> LiveRegister:
        return open_place(self.where, rules)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with postgres(["fsync=off"]) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path, str(tmp_path / "register.db"))
    running: Server = request.getfixturevalue("server")
    return Place(tmp_path, running.database(tmp_path.name))


@pytest.fixture
def opened(place: Place) -> Iterator[Callable[..., LiveRegister]]:
    """Builds a register from rows and opens it; closes it at the end."""
    registers: list[LiveRegister] = []

    def build(*rows: Mapping[str, str], rules: Rules = RULES) -> LiveRegister:
        place.build(*rows)
        registers.append(place.open(rules))
        return registers[-1]

    yield build
    for register in registers:
        register.close()


def found(register: LiveRegister, row: Mapping[str, str], years: tuple[int, ...] = YEARS) -> set[str]:
    return {each.person_id for each in register.candidates(query(row, years)).records}


def outcome(register: LiveRegister, row: Mapping[str, str], years: tuple[int, ...] = YEARS) -> str:
    return check(register, particulars(row), years, RULES).outcome


EVA = {**ANA, "person_id": "P2", "first_name": "Eva"}
ELSEWHERE = {**ANA, "person_id": "P3", "zip": "90012", "state": "CA"}

Opened = Callable[..., LiveRegister]


def renew(register: LiveRegister) -> None:
    register.open_replacement()
    register.use_replacement()


def test_candidates_are_the_same_records_as_in_the_extract(opened: Opened) -> None:
    register = opened(ANA, EVA, ELSEWHERE)
    candidates = register.candidates(query(ANA))
    assert candidates.complete
    assert record(ANA) in candidates.records
    assert found(register, ANA) == {"P1", "P2"}
    assert found(register, ELSEWHERE) == {"P3"}


def test_a_spell_with_several_matching_keys_is_one_candidate(opened: Opened) -> None:
    assert len(opened(ANA, EVA).candidates(query(ANA)).records) == 2


def test_a_stranger_has_no_candidates(opened: Opened) -> None:
    assert found(opened(ANA), {**ANA, "date_of_birth": "", "street_number": "9"}) == set()


def test_only_spells_of_the_requested_years_are_candidates(opened: Opened) -> None:
    register = opened({**ANA, "from_year": "2015", "to_year": "2019"}, {**EVA, "from_year": "2019"})
    assert found(register, ANA, (2014,)) == set()
    assert found(register, ANA, (2015,)) == {"P1"}
    assert found(register, ANA, (2019,)) == {"P1", "P2"}
    assert found(register, ANA, (2020,)) == {"P2"}
    assert found(register, ANA, ()) == set()


def test_the_decision_is_the_same_on_every_register(opened: Opened) -> None:
    register = opened(ANA, EVA)
    assert outcome(register, ANA) == "confirm"
    assert outcome(register, {**ANA, "street_number": "122"}) == "deny"
    assert outcome(register, {**ANA, "first_name": "Iva"}) == "deny"


def test_two_streets_of_one_zip_code_are_two_streets(opened: Opened) -> None:
    """Neither is in the word lists, so an equal birth date would forgive the two letters."""
    born = {**ANA, "street_name": "Quillenbrook Rd"}
    neighbour = {**EVA, "street_name": "Quillanbrooke Rd", "street_number": "7"}
    elsewhere = {**neighbour, "zip": "77003"}
    asked = {**ANA, "street_name": "Quillanbrooke Rd"}
    assert outcome(opened(born, neighbour), asked) == "deny"
    assert outcome(opened(born, elsewhere), asked) == "confirm"


def test_a_spelling_that_is_rare_beside_the_other_is_no_street(opened: Opened) -> None:
    street = [
        {
            **EVA,
            "person_id": f"Q{n}",
            "street_name": "Quillenbrook Rd",
            "street_number": str(n),
            "date_of_birth": "",
        }
        for n in range(30)
    ]
    misspelt = {**EVA, "street_name": "Quillanbrook Rd", "street_number": "7"}
    asked = {**ANA, "street_name": "Quillanbrook Rd"}
    assert outcome(opened({**ANA, "street_name": "Quillenbrook Rd"}, misspelt, *street), asked) == "confirm"


def test_one_of_two_directions_is_left_out_where_the_register_leaves_no_doubt(opened: Opened) -> None:
    grid = {**ANA, "street_name": "E 1700 S", "zip": "84101", "state": "UT", "city": "Salt Lake City"}
    across = {**grid, "person_id": "P2", "first_name": "Eva", "street_name": "W 1700 S", "street_number": "7"}
    asked = {**grid, "street_name": "1700 South"}
    assert outcome(opened(grid), asked) == "confirm"
    assert outcome(opened(grid), {**grid, "street_name": "East 1700"}) == "confirm"
    assert outcome(opened(grid), {**grid, "street_name": "1700 North"}) == "deny"
    assert outcome(opened(grid, across), asked) == "deny"


def test_a_birth_date_that_many_share_vouches_for_nobody(opened: Opened) -> None:
    others = [{**EVA, "person_id": f"Q{n}", "street_number": str(n)} for n in range(6)]
    senior = {**ANA, "suffix": "Sr"}
    assert outcome(opened(senior), ANA) == "confirm"
    shared = [{**each, "date_of_birth": ANA["date_of_birth"]} for each in others]
    assert outcome(opened(senior, *shared), ANA) == "deny"
    assert outcome(opened(senior, *shared), senior) == "confirm"


def test_north_and_n_are_one_street_unless_the_register_has_both(opened: Opened) -> None:
    row = {**ANA, "street_name": "South St"}
    lettered = {**EVA, "street_name": "S St", "street_number": "7"}
    asked = {**ANA, "street_name": "S St"}
    assert outcome(opened(row), asked) == "confirm"
    assert outcome(opened(row, lettered), asked) == "deny"


def test_info_says_what_was_built(opened: Opened) -> None:
    info = opened(ANA, {**ANA, "from_year": "2010", "to_year": "2014", "street_number": "7"}, EVA).info()
    assert (info.people, info.spells, info.address_form) == (2, 3, "us")
    assert (info.rules_version, info.rules_digest) == (RULES.version, RULES.digest)


def test_a_fuller_block_than_the_cap_is_not_complete(opened: Opened) -> None:
    capped = opened(ANA, EVA, rules=replace(RULES, block_cap=1))
    assert not capped.candidates(query(ANA)).complete
    assert outcome(capped, ANA) == "deny"


def test_a_key_that_very_many_share_is_not_complete(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glomar_verifier.register.index_entries.MAX_POSTING", 3)
    register = opened(*({**ANA, "person_id": f"P{n}", "first_name": f"An{n}"} for n in range(5)), ELSEWHERE)
    assert not register.candidates(query(ANA)).complete
    assert register.candidates(query(ELSEWHERE)).complete


def test_a_register_of_other_rules_is_not_opened(opened: Opened, place: Place) -> None:
    opened(ANA)
    with pytest.raises(Misconfigured, match="other rules"):
        place.open(replace(RULES, digest="0" * 64))


def test_explain_says_the_same_on_every_register(
    opened: Opened, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(ANA, EVA)
    row = {**ANA, "street_number": "122", "tax_periods": "2024"}
    particulars = [f"{name}={row[name]}" for name in QUERY_COLUMNS]
    explain(*particulars, db=place.where)
    said = capsys.readouterr().out.splitlines()
    assert "    ! delivery-point  122 N CHESTNUT ST | 120 N CHESTNUT ST" in said
    assert [line for line in said if not line.startswith("    ")] == [
        "line 1: deny, nobody passes every gate",
        "  P1 2015-9999: delivery-point",
        "  P2 2015-9999: first-name, delivery-point",
    ]


def test_a_changed_row_is_found_at_open_or_by_the_check(
    opened: Opened, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people = opened(ANA, EVA).info().people
    check_register(db=place.where)
    assert f"{people} people, 2 spells, all as built" in capsys.readouterr().out
    place.change("UPDATE {schema}spell SET fields = {blob} WHERE id = 2")
    with pytest.raises(IntegrityError, match="lines 0 to 4095 of the extract"):
        place.open()
    monkeypatch.setattr(integrity, "SECTIONS_AT_OPEN", 0)
    place.open().close()
    with pytest.raises(IntegrityError, match="lines 0 to 4095 of the extract"):
        check_register(db=place.where)


@pytest.mark.parametrize("table", ["spell", "block"])
def test_rows_that_are_missing_are_counted_at_open(opened: Opened, place: Place, table: str) -> None:
    opened(ANA, EVA)
    column = "id" if table == "spell" else "key64"
    first = f"(SELECT min({column}) FROM {{schema}}{table})"
    place.change(f"DELETE FROM {{schema}}{table} WHERE {column} = {first}")
    with pytest.raises(IntegrityError, match=f"rows are missing: .* in {table}"):
        place.open()


def test_an_incomplete_register_is_not_used(
    opened: Opened, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    register = opened(ANA)
    place.build({**ANA, "street_number": "7"}, EVA)
    place.change("DELETE FROM {schema}spell WHERE id = 2")
    for _ in range(3):
        renew(register)
    assert outcome(register, ANA) == "confirm"
    [fault] = [record.__dict__["fault"] for record in caplog.records if "fault" in record.__dict__]
    assert "rows are missing: 1 in spell, built 2" in fault
    place.build({**ANA, "street_number": "7"})
    renew(register)
    assert outcome(register, {**ANA, "street_number": "7"}) == "confirm"


def test_a_place_without_a_register_is_not_opened(place: Place) -> None:
    with pytest.raises(Misconfigured, match=r"no readable register|holds no register"):
        place.open()


def test_a_new_register_is_used_only_after_the_replacement(opened: Opened, place: Place) -> None:
    register = opened(ANA)
    place.build({**ANA, "street_number": "7"})
    assert outcome(register, ANA) == "confirm"
    renew(register)
    assert outcome(register, ANA) == "deny"
    assert outcome(register, {**ANA, "street_number": "7"}) == "confirm"


def test_the_register_may_be_replaced_many_times(opened: Opened, place: Place) -> None:
    register = opened(ANA)
    for number in ("7", "9", "11"):
        place.build({**ANA, "street_number": number})
        renew(register)
        assert outcome(register, {**ANA, "street_number": number}) == "confirm"


def test_a_failed_build_leaves_the_old_register(opened: Opened, place: Place) -> None:
    register = opened(ANA)
    with pytest.raises(Malformed, match="no usable row"):
        place.build({**ANA, "zip": "x"})
    renew(register)
    assert outcome(register, ANA) == "confirm"
    again = place.open()
    assert outcome(again, ANA) == "confirm"
    again.close()


def test_a_register_of_other_rules_is_not_used(
    opened: Opened, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    register = opened(ANA)
    source = write_csv(place.folder / "extract.csv", [EVA])
    build_into(place.where, source, replace(RULES, digest="0" * 64))
    renew(register)
    assert outcome(register, ANA) == "confirm"
    assert "other rules" in str(caplog.records[-1].__dict__["fault"])


def test_records_keep_their_crowded_mark(opened: Opened) -> None:
    others = [
        {**ANA, "person_id": f"Q{n}", "first_name": f"N{'abcdefghijklmnop'[n]}", "date_of_birth": ""}
        for n in range(12)
    ]
    register = opened(ANA, *others)
    assert outcome(register, ANA) == "confirm"
    assert outcome(register, {**ANA, "date_of_birth": ""}) == "deny"
    assert all(
        isinstance(each, RegisterRecord) and each.crowded for each in register.candidates(query(ANA)).records
    )
