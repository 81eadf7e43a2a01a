"""Builds of a register: each invalid row is reported and left out, and a failed build changes nothing."""

import json
import stat
from pathlib import Path

import pytest
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_verifier.offline.decide_file import check
from glomar_verifier.readers.csv_rows import MAX_FIELD_CHARACTERS, MAX_LINE_BYTES
from glomar_verifier.register.build import BuildReport, build
from glomar_verifier.register.extract import COLUMNS
from glomar_verifier.register.sqlite import open_register

from tests.support.registers import ANA, RULES, YEARS, opened, particulars, write_csv

HEADER = ",".join(COLUMNS)
GOOD = "P1,Ana,,Lopez,,1980-05-17,120,Chestnut St,,,,Houston,TX,77002,2015,"


def built(folder: Path, *lines: str | bytes, header: str = HEADER) -> BuildReport:
    source = folder / "extract.csv"
    raw = [line if isinstance(line, bytes) else line.encode() for line in (header, *lines)]
    source.write_bytes(b"\r\n".join(raw) + b"\r\n")
    return build(source, folder / "register.db", RULES)


def line(**changes: str) -> str:
    return ",".join({**dict(zip(COLUMNS, GOOD.split(","), strict=True)), **changes}.values())


BAD_ROWS: list[tuple[str | bytes, str, str]] = [
    (line(person_id=""), "person_id", "blank"),
    (line(first_name="", last_name="--"), "last_name", "neither a first name nor a last name"),
    (line(first_name="FNU", last_name="LNU"), "last_name", "neither a first name nor a last name"),
    (line(last_name="L&oacute;pez"), "last_name", "an HTML entity"),
    (line(last_name="Lo\u202epez"), "last_name", "control, format"),
    (line(last_name="Lo\x00pez"), "last_name", "control, format"),
    (line(date_of_birth="17.05.1980"), "date_of_birth", "not a date"),
    (line(date_of_birth="1980-02-30"), "date_of_birth", "not a date"),
    (line(date_of_birth="19800517"), "date_of_birth", "not a date"),
    (line(street_number=""), "street_number", "neither"),
    (line(street_name=""), "street_number", "neither"),
    (line(zip="7700"), "zip", "not a ZIP code"),
    (line(from_year="15"), "from_year", "not a year"),
    (line(from_year=""), "from_year", "not a year"),
    (line(to_year="2014"), "to_year", "before from_year"),
    (line(to_year="20204"), "to_year", "not a year"),
    (line(city="x" * (MAX_FIELD_CHARACTERS + 1)), "city", "longer than"),
    (line(city="x" * (MAX_LINE_BYTES * 3)), "", "longer than"),
    (GOOD + ",surplus", "", "has 17 fields"),
    ("P1,Ana", "", "has 2 fields"),
    ("", "", "blank"),
    (line(city='"Hous'), "", "quote"),
    (line(city='"Hous"ton'), "", "quote"),
    (GOOD.encode().replace(b"Lopez", b"L\xf3pez"), "", "not UTF-8"),
]


@pytest.mark.parametrize(("bad", "column", "what"), BAD_ROWS)
def test_a_bad_row_is_reported_with_line_and_column_and_left_out(
    tmp_path: Path, bad: str | bytes, column: str, what: str
) -> None:
    report = built(tmp_path, GOOD, bad, line(person_id="P2"))
    (fault,) = report.faults
    assert (fault.line, fault.column) == (3, column)
    assert what in fault.what
    assert (report.people, report.spells, report.rows_left_out) == (2, 2, 1)


def test_a_fault_never_holds_a_value_of_the_file(tmp_path: Path) -> None:
    report = built(tmp_path, GOOD, *(bad for bad, _, _ in BAD_ROWS))
    assert len(report.faults) == len(BAD_ROWS)
    reported = "".join(fault.what + fault.column for fault in report.faults)
    assert not any(value in reported for value in ("Ana", "Lopez", "1980", "Hous", "77002", "7700"))


def test_a_very_long_line_harms_only_itself(tmp_path: Path) -> None:
    report = built(
        tmp_path, GOOD, "x" * (MAX_LINE_BYTES + 1), "y" * (MAX_LINE_BYTES * 2 + 2), line(person_id="P2")
    )
    assert [fault.line for fault in report.faults] == [3, 4]
    assert report.people == 2


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (HEADER + ",ssn", "column 17 of the header is unknown"),
        (HEADER + ",zip", "column 17 of the header is unknown or repeated"),
        (HEADER.replace(",zip", ""), "lacks zip"),
        ("", "lacks person_id"),
        (GOOD, "column 1 of the header is unknown"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(tmp_path: Path, header: str, what: str) -> None:
    with pytest.raises(Malformed, match=what) as refusal:
        built(tmp_path, GOOD, header=header)
    assert "ssn" not in str(refusal.value)
    assert "Lopez" not in str(refusal.value)


def test_columns_may_stand_in_any_order_after_a_byte_order_mark(tmp_path: Path) -> None:
    report = built(
        tmp_path,
        "77002,Lopez,Ana,P1,2015,120,Chestnut St",
        header="\ufeffzip,last_name,first_name,person_id,from_year,street_number,street_name",
    )
    assert (report.people, report.faults) == (1, ())


NAMED: dict[str, object] = {column: value for column, value in ANA.items() if value}


def test_an_extract_in_ndjson_makes_the_register_that_csv_makes(tmp_path: Path) -> None:
    rows = [ANA, {**ANA, "person_id": "17", "to_year": "2019"}]
    csv = build(write_csv(tmp_path / "extract.csv", rows), tmp_path / "csv.db", RULES)
    named = tmp_path / "extract.ndjson"
    last = {**NAMED, "person_id": 17, "from_year": 2015, "to_year": 2019, "middle_name": None}
    # The header shifts the lines by one, and the ids of spells are lines.
    named.write_text("\n" + json.dumps(NAMED) + "\n" + json.dumps(last), encoding="utf-8")
    found = build(named, tmp_path / "named.db", RULES)
    assert (found.people, found.spells, found.digest) == (csv.people, csv.spells, csv.digest)
    assert [(fault.line, fault.what) for fault in found.faults] == [(1, "blank")]


BAD_LINES: dict[str, tuple[bytes, str, str]] = {
    "no JSON": (b"P1,Ana", "", "not valid JSON"),
    "no object": (b'["Ana"]', "", "Expected `object`, got `array`"),
    "an unknown column": (b'{"ssn":"1"}', "", "unknown column"),
    "a column twice": (b'{"zip":"77002","zip":"77003"}', "", "duplicate key"),
    "a fraction": (b'{"from_year":2015.5}', "", "Expected"),
    "an object within": (b'{"zip":{"five":"77002"}}', "", "Expected"),
    "a required column absent": (json.dumps({**NAMED, "zip": None}).encode(), "zip", "not a ZIP code"),
    "not UTF-8": (b'{"zip":"\xff"}', "", "not valid JSON in UTF-8"),
}


@pytest.mark.parametrize("how", BAD_LINES)
def test_a_bad_line_of_ndjson_is_reported_and_left_out(tmp_path: Path, how: str) -> None:
    bad, column, what = BAD_LINES[how]
    source = tmp_path / "extract.jsonl"
    source.write_bytes(json.dumps(NAMED).encode() + b"\n" + bad + b"\n")
    [fault] = build(source, tmp_path / "register.db", RULES).faults
    assert (fault.line, fault.column) == (2, column)
    assert what in fault.what and "ssn" not in fault.what and "Ana" not in fault.what


def test_a_person_with_two_spells_counts_once(tmp_path: Path) -> None:
    report = built(tmp_path, line(to_year="2019"), line(from_year="2020", street_number="7"))
    assert (report.people, report.spells) == (1, 2)


def test_an_extract_without_a_usable_row_says_what_is_wrong_with_the_first(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"no usable row .*; line 2, date_of_birth: not a date as YYYY-MM-DD"):
        built(tmp_path, line(date_of_birth="05/17/1980"), line(zip="x"))


@pytest.mark.parametrize("extract", [[line(zip="x")], [], ["nonsense"]])
def test_an_extract_without_a_usable_row_leaves_the_old_register(tmp_path: Path, extract: list[str]) -> None:
    opened(tmp_path, [ANA]).close()
    with pytest.raises(Malformed, match="no usable row"):
        built(tmp_path, *extract)
    _still_serves(tmp_path)


def test_an_extract_that_breaks_off_leaves_the_old_register(tmp_path: Path) -> None:
    opened(tmp_path, [ANA]).close()
    source = write_csv(tmp_path / "extract.csv", [{**ANA, "person_id": f"P{n}"} for n in range(6_000)])

    def stop(rows: int, position: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(source, tmp_path / "register.db", RULES, progress=stop)
    _still_serves(tmp_path)


def _still_serves(folder: Path) -> None:
    register = open_register(folder / "register.db", RULES)
    assert check(register, particulars(ANA), YEARS, RULES).outcome == "confirm"
    register.close()
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_an_open_register_keeps_its_rows_while_a_new_one_takes_its_place(tmp_path: Path) -> None:
    old = opened(tmp_path, [ANA])
    new = opened(tmp_path, [{**ANA, "street_number": "7"}])
    assert check(old, particulars(ANA), YEARS, RULES).outcome == "confirm"
    assert check(new, particulars(ANA), YEARS, RULES).outcome == "deny"
    old.close()
    new.close()


def test_two_builds_of_one_register_do_not_run_at_once(tmp_path: Path) -> None:
    opened(tmp_path, [ANA]).close()
    source = write_csv(tmp_path / "extract.csv", [{**ANA, "street_number": "7"}])

    def build_it_too(done: int, of: int) -> None:
        with pytest.raises(Misconfigured, match="another build"):
            build(source, tmp_path / "register.db", RULES)

    build(source, tmp_path / "register.db", RULES, progress=build_it_too)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_extract_that_changes_while_it_is_read_builds_nothing(tmp_path: Path) -> None:
    opened(tmp_path, [ANA]).close()
    source = write_csv(tmp_path / "extract.csv", [{**ANA, "street_number": "7"}])

    def write_on(done: int, of: int) -> None:
        source.write_text(source.read_text() + "P9,more\n")

    with pytest.raises(Misconfigured, match="changed while it was read"):
        build(source, tmp_path / "register.db", RULES, progress=write_on)
    _still_serves(tmp_path)


def test_a_source_or_a_target_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "extract.csv", [ANA])
    with pytest.raises(Misconfigured, match=r"absent\.csv"):
        build(tmp_path / "absent.csv", tmp_path / "register.db", RULES)
    with pytest.raises(Misconfigured, match="nowhere"):
        build(source, tmp_path / "nowhere" / "register.db", RULES)


def test_only_the_owner_may_read_the_register(tmp_path: Path) -> None:
    opened(tmp_path, [ANA]).close()
    assert stat.S_IMODE((tmp_path / "register.db").stat().st_mode) == 0o600


def test_progress_ends_at_its_announced_total(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "extract.csv", [{**ANA, "person_id": f"P{n}"} for n in range(12_000)])
    seen: list[tuple[int, int]] = []
    build(source, tmp_path / "register.db", RULES, progress=lambda *at: seen.append(at))
    done = [at for at, _ in seen]
    assert done == sorted(done)
    assert len({of for _, of in seen}) == 1
    assert 0.95 * seen[0][1] < done[-1] <= seen[0][1]


def test_the_same_extract_has_the_same_digest_whatever_the_secret(tmp_path: Path) -> None:
    assert built(tmp_path, GOOD).digest == built(tmp_path, GOOD).digest
    assert built(tmp_path, GOOD).digest != built(tmp_path, line(unit="2")).digest
