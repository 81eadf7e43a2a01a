"""The SQLite register: it finds its records, processes share it, and a damaged file is not opened."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import msgspec
import pytest
from glomar_schemas.errors import GlomarError, IntegrityError, Misconfigured
from glomar_verifier.matching.match import RegisterRecord
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.offline.decide_file import check
from glomar_verifier.register import Register, integrity
from glomar_verifier.register import digests as sections
from glomar_verifier.register.lookup import RegisterMeta
from glomar_verifier.register.sqlite import open_register
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.registers import ANA, RULES, YEARS, opened, particulars, query, record


@dataclass
class Built:
    path: Path
    register: Register


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    rows = [ANA, {**ANA, "person_id": "P2", "first_name": "Eva"}, {**ANA, "person_id": "P3", "zip": "77003"}]
    register = opened(tmp_path, rows)
    yield Built(tmp_path / "register.db", register)
    register.close()


def ids(records: tuple[RegisterRecord, ...]) -> set[str]:
    return {found.person_id for found in records}


def test_candidates_share_a_key_and_come_back_as_they_went_in(built: Built) -> None:
    found = built.register.candidates(query(ANA))
    assert found.complete
    assert ids(found.records) == {"P1", "P2"}
    assert record(ANA) in found.records


def test_a_stranger_has_no_candidates(built: Built) -> None:
    other = {**ANA, "street_number": "9", "date_of_birth": "1951-01-01"}
    assert built.register.candidates(query(other)).records == ()


def test_years_that_no_spell_touches_have_no_candidates(built: Built) -> None:
    assert built.register.candidates(query(ANA, (2014,))).records == ()
    assert built.register.candidates(query(ANA, ())).records == ()


def test_check_confirms_the_person_and_denies_her_with_another_number(built: Built) -> None:
    assert check(built.register, particulars(ANA), YEARS, RULES).outcome == "confirm"
    elsewhere = particulars({**ANA, "street_number": "122"})
    assert check(built.register, elsewhere, YEARS, RULES).outcome == "deny"


def test_info_counts_people_and_names_the_rules(built: Built) -> None:
    info = built.register.info()
    assert (info.people, info.spells, info.address_form) == (3, 3, "us")
    assert (info.rules_version, info.rules_digest) == (RULES.version, RULES.digest)


def test_a_fuller_block_than_the_cap_is_reported_and_denied(built: Built) -> None:
    capped = open_register(built.path, replace(RULES, block_cap=1))
    assert not capped.candidates(query(ANA)).complete
    assert check(capped, particulars(ANA), YEARS, RULES).outcome == "deny"
    capped.close()


def test_in_a_crowded_place_only_the_birth_date_confirms(tmp_path: Path) -> None:
    others = [
        {
            **ANA,
            "person_id": f"Q{n}",
            "first_name": f"N{'abcdefghijklmnop'[n]}",
            "date_of_birth": f"19{60 + n}-05-17",
        }
        for n in range(12)
    ]
    shelter = opened(tmp_path, [ANA, *others])
    assert check(shelter, particulars(ANA), YEARS, RULES).outcome == "confirm"
    assert check(shelter, particulars({**ANA, "date_of_birth": ""}), YEARS, RULES).outcome == "deny"
    shelter.close()


def _outcome(path: Path) -> str:
    register = open_register(path, load_rules())
    try:
        return check(register, particulars(ANA), YEARS, RULES).outcome
    finally:
        register.close()


def test_several_processes_read_one_register(built: Built) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(_outcome, [built.path] * 4)) == ["confirm"] * 4


def test_the_register_cannot_be_written(built: Built) -> None:
    with pytest.raises(sqlite3.OperationalError):
        built.register._database.execute("DELETE FROM spell")  # type: ignore[attr-defined]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_bytes(b"person_id,first_name\n" * 100)


def _foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE spell (id)")
    database.close()


def _edit(path: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(path) as database:
        database.execute(sql, values)
    database.close()


def _edit_meta(path: Path, **changes: object) -> None:
    with closing(sqlite3.connect(path)) as database:
        (content,) = database.execute("SELECT content FROM meta").fetchone()
    changed = replace(msgspec.msgpack.decode(content, type=RegisterMeta), **changes)
    _edit(path, "UPDATE meta SET content = ?", msgspec.msgpack.encode(changed))


def _edit_info(path: Path, **changes: object) -> None:
    with closing(sqlite3.connect(path)) as database:
        (content,) = database.execute("SELECT content FROM meta").fetchone()
    _edit_meta(path, info=replace(msgspec.msgpack.decode(content, type=RegisterMeta).info, **changes))


DAMAGE: dict[str, tuple[Callable[[Path], object], type[GlomarError], str]] = {
    "absent": (Path.unlink, Misconfigured, "no readable register"),
    "empty": (_empty, Misconfigured, "not a register file"),
    "a text file": (_text, Misconfigured, "not a register file"),
    "another database": (_foreign, Misconfigured, "not a register"),
    "truncated": (_cut, IntegrityError, "truncated"),
    "without its meta row": (lambda p: _edit(p, "DELETE FROM meta"), IntegrityError, "damaged"),
    "with a row that was added": (
        lambda p: _edit(p, "INSERT INTO spell SELECT 99, fields FROM spell LIMIT 1"),
        IntegrityError,
        "rows were added: 4 in spell, built 3",
    ),
    "a key short": (
        lambda p: _edit(p, "DELETE FROM block WHERE key64 = (SELECT max(key64) FROM block)"),
        IntegrityError,
        "rows are missing: .* in block",
    ),
    "a row that was changed": (
        lambda p: _edit(p, "UPDATE spell SET fields = (SELECT fields FROM spell WHERE id = 3) WHERE id = 2"),
        IntegrityError,
        "not those of the build .lines 0 to 4095 of the extract",
    ),
    "other digests": (lambda p: _edit_meta(p, spell=()), IntegrityError, "damaged"),
    "another format": (lambda p: _edit_meta(p, format=1), Misconfigured, "another format"),
    "other rules": (lambda p: _edit_info(p, rules_version="1999.1"), Misconfigured, "other rules"),
    "with a foreign meta row": (
        lambda p: _edit(p, "UPDATE meta SET content = 'x'"),
        IntegrityError,
        "damaged",
    ),
    "a row short": (lambda p: _edit(p, "DELETE FROM spell WHERE id = 4"), IntegrityError, "rows are missing"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_register_that_is_not_whole_and_ours_is_not_opened(built: Built, how: str) -> None:
    damage, error, what = DAMAGE[how]
    built.register.close()
    damage(built.path)
    with pytest.raises(error, match=what):
        open_register(built.path, RULES)


def test_a_register_built_with_other_rules_is_not_opened(built: Built) -> None:
    with pytest.raises(Misconfigured, match="other rules"):
        open_register(built.path, replace(RULES, digest="0" * 64))


UNSEEN_AT_OPEN: dict[str, str] = {
    "a row": "UPDATE spell SET fields = (SELECT fields FROM spell WHERE id = 3) WHERE id = 2",
    "a row's place": "UPDATE spell SET id = 99 WHERE id = 2",
    "a key's rows": "UPDATE block SET ids = x'00000063' WHERE key64 = (SELECT max(key64) FROM block)",
    "a key": "UPDATE block SET key64 = key64 + 1 WHERE key64 = (SELECT max(key64) FROM block)",
}


@pytest.mark.parametrize("what", UNSEEN_AT_OPEN)
def test_whatever_was_changed_is_found_by_verify(
    built: Built, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(integrity, "SECTIONS_AT_OPEN", 0)
    built.register.close()
    _verify(built.path)
    _edit(built.path, UNSEEN_AT_OPEN[what])
    with pytest.raises(IntegrityError, match="not those of the build"):
        _verify(built.path)


def _verify(path: Path) -> None:
    done: list[tuple[int, int]] = []
    register = open_register(path, RULES)
    try:
        register.verify(lambda *at: done.append(at))
    finally:
        register.close()
    assert done[-1][0] == done[-1][1] == len(done)


def test_a_row_that_cannot_be_read_stops_the_lookup(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "SECTIONS_AT_OPEN", 0)
    built.register.close()
    _edit(built.path, "UPDATE spell SET fields = x'00'")
    register = open_register(built.path, RULES)
    with pytest.raises(IntegrityError, match="damaged"):
        register.candidates(query(ANA))
    register.close()


ROWS = st.dictionaries(st.integers(-(1 << 63), (1 << 63) - 1), st.binary(max_size=3), min_size=1)


@given(ROWS, st.sampled_from(sections.TABLES))
def test_every_row_is_in_the_one_section_whose_bounds_hold_it(
    rows: dict[int, bytes], table: sections.Table
) -> None:
    ordered = [(abs(number) >> 16 if table == "spell" else number, rows[number]) for number in sorted(rows)]
    ordered = sorted(dict(ordered).items())
    found = list(sections.digests(table, ordered))
    for section in found:
        first, last = sections.bounds(table, section.number)
        inside = [row for row in ordered if first <= row[0] <= last]
        assert inside and {sections.section_of(table, row[0]) for row in inside} == {section.number}
        assert sections.digest_of(inside) == section.digest
    assert [section.number for section in found] == sorted({section.number for section in found})
    assert {sections.section_of(table, row[0]) for row in ordered} == {each.number for each in found}
