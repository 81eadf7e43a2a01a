"""What the sorted index entries show; chunks and workers do not change it."""

from pathlib import Path

import pytest
from glomar_verifier.readers.csv_rows import (
    MAX_LINE_BYTES,
    FileChunk,
    FileRow,
    RowFault,
    chunks,
    read_chunk,
    read_header,
    read_rows,
)
from glomar_verifier.register.build import build
from glomar_verifier.register.build_workers import BUCKETS, append_entries, take_bucket
from glomar_verifier.register.extract import COLUMNS, REQUIRED
from glomar_verifier.register.index_entries import crowded, ids_of, index_entries, is_full, postings
from hypothesis import given
from hypothesis import strategies as st

from tests.support.registers import ANA, RULES, record, write_csv

Rows = list[dict[str, str]]
SECRET = bytes(32)


def built(folder: Path, *rows: dict[str, str]) -> tuple[int, int, list[tuple[int, str]]]:
    """-> people, spells, (line, column) of each fault; lines count from 2."""
    report = build(write_csv(folder / "extract.csv", rows), folder / "register.db", RULES)
    return report.people, report.spells, [(fault.line, fault.column) for fault in report.faults]


BEFORE = {**ANA, "from_year": "2010", "to_year": "2014", "street_number": "7"}
BETO = {**ANA, "person_id": "P2", "first_name": "Beto", "date_of_birth": ""}

CONTRADICTIONS: dict[str, tuple[Rows, list[tuple[int, str]]]] = {
    "another birth date": (
        [ANA, {**BEFORE, "date_of_birth": "1980-05-18"}],
        [(2, "date_of_birth"), (3, "date_of_birth")],
    ),
    "another first name": ([ANA, {**BEFORE, "first_name": "Eva"}], [(2, "first_name"), (3, "first_name")]),
    "an address that never ended": ([{**BEFORE, "to_year": ""}, ANA], [(2, "from_year"), (3, "from_year")]),
    "two years at two places": ([{**BEFORE, "to_year": "2016"}, ANA], [(2, "from_year"), (3, "from_year")]),
    "only two of three rows": (
        [{**BEFORE, "from_year": "2000", "to_year": "2004"}, {**BEFORE, "to_year": "2016"}, ANA],
        [(3, "from_year"), (4, "from_year")],
    ),
    "the birth date counts first": (
        [ANA, {**ANA, "date_of_birth": "1981-01-01", "first_name": "Eva"}],
        [(2, "date_of_birth"), (3, "date_of_birth")],
    ),
}

AGREEING: dict[str, Rows] = {
    "a move": [BEFORE, ANA],
    "a move within a year": [{**BEFORE, "to_year": "2015"}, ANA],
    "one birth date unknown": [{**BEFORE, "date_of_birth": ""}, ANA],
    "another surname": [{**BEFORE, "last_name": "Pérez"}, ANA],
    "another spelling": [{**BEFORE, "first_name": "ANA"}, ANA],
    "the same row twice": [ANA, ANA],
    "back again": [
        {**BEFORE, "to_year": "2011"},
        {**ANA, "from_year": "2012", "to_year": "2012"},
        BEFORE | {"from_year": "2013"},
    ],
}


@pytest.mark.parametrize("how", CONTRADICTIONS)
def test_rows_of_one_person_that_contradict_each_other_are_left_out_by_line(tmp_path: Path, how: str) -> None:
    rows, faults = CONTRADICTIONS[how]
    people, spells, found = built(tmp_path, *rows, BETO)
    assert found == faults
    assert (people, spells) == (1 + (len(rows) > len(faults)), len(rows) - len(faults) + 1)


@pytest.mark.parametrize("how", AGREEING)
def test_rows_that_may_be_one_persons_stay(tmp_path: Path, how: str) -> None:
    rows = AGREEING[how]
    assert built(tmp_path, *rows, BETO) == (2, len(rows) + 1, [])


def test_more_rows_than_a_person_has_are_not_one_persons(tmp_path: Path) -> None:
    people, spells, faults = built(tmp_path, *[ANA] * 201, BETO)
    assert (people, spells, len(faults)) == (1, 1, 201)


def test_masses_of_contradictions_are_a_wrong_column_and_no_register(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glomar_verifier.register.build.MAX_CONTRADICTIONS", 3)
    rows = [{**ANA, "first_name": f"N{n}"} for n in range(4)]
    with pytest.raises(Exception, match="more than 3 rows contradict"):
        built(tmp_path, *rows)
    assert not (tmp_path / "register.db").exists()


def test_a_posting_has_every_spell_once_and_keys_ascend() -> None:
    records = [record(ANA), record({**ANA, "person_id": "P2", "first_name": "Eva"})]
    entries = sorted(
        entry for line, one in enumerate(records, start=2) for entry in index_entries(one, line, SECRET)[0]
    )
    found = postings(entries)
    assert [key for key, _ in found] == sorted({key for key, _ in found})
    assert {ids_of(ids) for _, ids in found} == {(2,), (3,), (2, 3)}


def test_a_key_that_too_many_share_is_full_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glomar_verifier.register.index_entries.MAX_POSTING", 3)
    for spells, full in ((2, False), (3, True), (9, True)):
        entries = [bytes(8) + line.to_bytes(4, "big") for line in range(spells)]
        [(_, ids)] = postings(entries)
        assert is_full(ids) is full
        assert len(ids_of(ids)) == min(spells, 3)


def test_a_place_is_crowded_by_people_and_not_by_rows() -> None:
    def at(line: int, person: str) -> bytes:
        return index_entries(record({**ANA, "person_id": person}), line, SECRET)[1]

    assert crowded(sorted(at(line, "P1") for line in range(2, 9)), 3) == []
    assert sorted(crowded(sorted(at(line, f"P{line}") for line in range(2, 5)), 3)) == [2, 3, 4]


@given(st.lists(st.binary(min_size=12, max_size=12), max_size=200))
def test_buckets_give_back_in_order_what_was_added(
    tmp_path_factory: pytest.TempPathFactory, entries: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("buckets")
    append_entries(folder, "posting", entries[: len(entries) // 2])
    append_entries(folder, "posting", entries[len(entries) // 2 :])
    found = [entry for bucket in range(BUCKETS) for entry in take_bucket(folder, "posting", bucket, 12)]
    assert found == sorted(entries)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


LINES = st.lists(
    st.one_of(
        st.just("P1,Ana,,Lopez,,1980-05-17,120,Chestnut St,,,Houston,TX,77002,2015,"),
        st.just('P2,"Ana,,'),
        st.just(""),
        st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), max_size=40),
        st.just("x" * (MAX_LINE_BYTES + 7)),
    ),
    max_size=30,
)


@given(lines=LINES, about=st.integers(1, 400), ends=st.booleans())
def test_chunks_hold_the_same_rows_as_the_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], about: int, ends: bool
) -> None:
    source = tmp_path_factory.mktemp("chunks") / "extract.csv"
    text = "\n".join([",".join(COLUMNS), *lines]) + ("\n" if ends else "")
    source.write_bytes(text.encode())
    header = read_header(source, COLUMNS, REQUIRED)
    pieces = list(chunks(source, about))
    assert pieces == _following(pieces, len(",".join(COLUMNS)) + 1)
    found = [row for piece in pieces for row in read_chunk(source, piece, header, COLUMNS)]
    assert _plain(found) == _plain(list(read_rows(source, COLUMNS, REQUIRED)))


def _following(pieces: list[FileChunk], offset: int) -> list[FileChunk]:
    """The same chunks, if each begins at the end of the one before."""
    found = []
    for piece in pieces:
        found.append(FileChunk(offset, piece.size, piece.line))
        offset += piece.size
    return found


def _plain(rows: list[FileRow | RowFault]) -> list[object]:
    return [(row.line, dict(row.fields)) if isinstance(row, FileRow) else row for row in rows]


def test_workers_build_what_one_process_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**ANA, "person_id": f"P{n % 300}", "street_number": str(n % 7 + 1)} for n in range(400)]
    source = write_csv(tmp_path / "extract.csv", rows)
    alone = build(source, tmp_path / "alone.db", RULES)
    monkeypatch.setattr("glomar_verifier.register.build_workers.SMALL_BYTES", 0)
    monkeypatch.setattr("glomar_verifier.register.build.CHUNK_BYTES", 2_000)
    assert build(source, tmp_path / "together.db", RULES) == alone
    assert alone.rows_left_out > 0
