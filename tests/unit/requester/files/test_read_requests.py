"""Request files: every row that can be read is, and each that can't is named by line and column."""

import io
from datetime import UTC, date, datetime

import pytest
from glomar_requester.files.read_requests import (
    MAX_LINE_BYTES,
    BadRow,
    FileFormat,
    RequestRow,
    digest_file,
    read_rows,
)
from glomar_schemas.errors import Malformed
from glomar_schemas.request_file import COLUMNS, Ask
from hypothesis import given
from hypothesis import strategies as st

PERSON = "Ferreira"


def read(text: str | bytes, file_format: FileFormat = "csv") -> list[RequestRow | BadRow]:
    raw = text if isinstance(text, bytes) else text.encode()
    return list(read_rows(io.BytesIO(raw), file_format))


def only(text: str | bytes, file_format: FileFormat = "csv") -> Ask:
    [row] = read(text, file_format)
    assert isinstance(row, RequestRow)
    return row.ask


def faults(text: str | bytes, file_format: FileFormat = "csv") -> list[str]:
    [row] = read(text, file_format)
    assert isinstance(row, BadRow)
    assert PERSON not in str(row)
    return [fault.field for fault in row.faults]


def test_the_columns_are_those_of_the_protocol() -> None:
    assert ", ".join(COLUMNS) == (
        "reference, first_name, middle_name, last_name, suffix, date_of_birth, street_number, "
        "street_name, unit, po_box, urbanization, city, state, zip, tax_periods, ground, statute, "
        "final_order_date, court_order_date, removal_class, relief_pending, wilfulness_attested, case_id, "
        "officer_id, reason, intended_use, officer_unit, authorised_by, jurisdiction, automated_analysis, "
        "expires_at"
    )


def test_a_full_row_is_read() -> None:
    header = "reference,last_name,date_of_birth,tax_periods,relief_pending,automated_analysis,expires_at"
    ask = only(f"{header}\nR-1,Núñez,1984-02-29,2022;2023,false,AI-7,2025-10-08T14:30:00-04:00\n")
    assert ask == Ask(
        reference="R-1",
        last_name="Núñez",
        date_of_birth=date(1984, 2, 29),
        tax_periods=(2022, 2023),
        relief_pending=False,
        automated_analysis="AI-7",
        expires_at=datetime(2025, 10, 8, 18, 30, tzinfo=UTC),
    )


def test_columns_come_in_any_order_and_some_may_be_left_out() -> None:
    assert only("zip,reference\n02101,R-1\n") == Ask(reference="R-1", zip="02101")


def test_empty_is_absent_and_an_empty_name_is_for_the_law_to_refuse() -> None:
    assert only("reference,first_name,date_of_birth,relief_pending,tax_periods\nR-1,,,,\n") == Ask(
        reference="R-1"
    )


def test_quotes_commas_and_a_byte_order_mark_are_read() -> None:
    text = '\ufeffreference,street_name,reason\r\nR-1,"Ridge Rd, upper","he said ""no"""\r\n'
    ask = only(text)
    assert (ask.street_name, ask.reason) == ("Ridge Rd, upper", 'he said "no"')


def test_a_bad_row_is_left_out_and_the_rest_is_read() -> None:
    rows = read("reference,date_of_birth\nR-1,1984-02-30\n\nR-2,1984-02-29\n")
    assert [type(row) for row in rows] == [BadRow, RequestRow]
    assert [row.line for row in rows] == [2, 4]
    assert isinstance(rows[0], BadRow) and rows[0].reference == "R-1"
    assert str(rows[0]) == "line 2: date_of_birth: not a day as 2025-03-04"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("date_of_birth", "29.02.1984"),
        ("date_of_birth", "1984-2-9"),
        ("date_of_birth", "1984-02-29T00:00:00"),
        ("date_of_birth", "0984-02-29"),
        ("date_of_birth", "１９84-02-29"),
        ("tax_periods", "2022,2023"),
        ("tax_periods", "22"),
        ("tax_periods", "2022;"),
        ("tax_periods", "0001"),
        ("tax_periods", ";".join(["2022"] * 51)),
        ("relief_pending", "yes"),
        ("relief_pending", "True"),
        ("expires_at", "2025-10-08"),
        ("expires_at", "2025-10-08T14:30:00"),
        ("expires_at", "2025-10-08 14:30:00Z"),
        ("first_name", PERSON * 20),
        ("first_name", f"{PERSON}\x00"),
        ("reason", f"{PERSON}\u200b"),
        ("first_name", f"{PERSON}\u202e"),
        ("reason", "x" * 2001),
    ],
)
def test_a_bad_value_is_named_by_its_column(column: str, value: str) -> None:
    quoted = f'"{value}"'
    assert faults(f"{column}\n{quoted}\n") == [column]


def test_a_mark_without_a_width_in_a_name_is_dropped() -> None:
    (row,) = read(f"first_name\n{PERSON}\u200b\n")
    assert isinstance(row, RequestRow)
    assert row.ask.first_name == PERSON


def test_all_faults_of_a_row_are_reported() -> None:
    assert faults("date_of_birth,relief_pending\nx,y\n") == ["date_of_birth", "relief_pending"]


@pytest.mark.parametrize(
    "line",
    [f"R-1,{PERSON},surplus", "R-1", f'R-1,"{PERSON}', f'R-1,"{PERSON}"x', "R-1," + "x" * MAX_LINE_BYTES],
)
def test_a_row_that_is_no_row_harms_no_other(line: str) -> None:
    rows = read(f"reference,last_name\n{line}\nR-2,Next\n")
    assert [type(row) for row in rows] == [BadRow, RequestRow]
    assert PERSON not in str(rows[0])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"reference,{PERSON}\nR-1,x\n", "column 2 is unknown"),
        (f"{PERSON},Marisol,1180\n", "column 1 is unknown"),
        ("reference,zip,reference\n", "column 3 repeats reference"),
        ("key\nx\n", "column 1 is unknown"),
        ("", "no header row"),
        ("\n", "no header row"),
        (b"\xff\xfer\x00e\x00f\x00", "not a CSV header"),
    ],
)
def test_a_header_of_another_file_is_refused_without_being_quoted(text: str | bytes, place: str) -> None:
    with pytest.raises(Malformed, match=place) as caught:
        read(text)
    assert PERSON not in str(caught.value)


def test_a_hundred_thousand_columns_are_one_short_message() -> None:
    line = ",".join(f"column{number}" for number in range(100_000))
    with pytest.raises(Malformed, match="more than 200 columns") as caught:
        read(f"{line}\n{line}\n")
    assert len(str(caught.value)) < 1000


def test_a_file_of_one_endless_line_takes_little_memory() -> None:
    class Endless(io.RawIOBase):
        left = 50_000_000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            count = min(len(buffer), self.left)
            buffer[:count] = b"a" * count
            self.left -= count
            return count

    with pytest.raises(Malformed, match="more than 200 columns"):
        list(read_rows(io.BufferedReader(Endless()), "csv"))


def test_ndjson_has_the_same_names_and_types() -> None:
    text = (
        '{"reference": "R-1", "tax_periods": [2022], "date_of_birth": "1984-02-29", "suffix": "Jr"}\n'
        "\n"
        '{"reference": "R-2"}'
    )
    assert read(text, "ndjson") == [
        RequestRow(
            1,
            Ask(reference="R-1", tax_periods=(2022,), date_of_birth=date(1984, 2, 29), suffix="Jr"),
        ),
        RequestRow(3, Ask(reference="R-2")),
    ]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('{"first_name": 5}', "first_name"),
        ('{"tax_periods": "2022"}', "tax_periods"),
        ('{"tax_periods": [1]}', "tax_periods"),
        (f'{{"{PERSON}": "x"}}', "row"),
        (f'{{"last_name": "{PERSON}", "last_name": "x"}}', "row"),
        ('{"key": "x"}', "row"),
        ("[]", "row"),
        ("{", "row"),
        ("[" * 5000, "row"),
        ('{"first_name": "\\u0000"}', "row"),
    ],
)
def test_a_bad_ndjson_row_is_named_by_line_and_field(line: str, field: str) -> None:
    assert faults(line + "\n", "ndjson") == [field]


def test_a_survey_counts_lines_and_fixes_the_files_digest() -> None:
    found = digest_file(io.BytesIO(b"a\nb\nc"))
    assert found.lines == 3
    assert found != digest_file(io.BytesIO(b"a\nb\nd"))


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"a\nb\nN\xfa\xf1ez\n", 3),
        (b"\xff\xfer\x00", 1),
        (b"x" * (1 << 20) + b"\n\n\xff", 3),
        (b"x" * ((1 << 20) - 1) + b"\xc3\n", 1),
        (b"a\n\xc3", 2),
    ],
)
def test_another_encoding_is_one_message_that_names_the_line(raw: bytes, line: int) -> None:
    with pytest.raises(Malformed, match=f"line {line}: not UTF-8"):
        digest_file(io.BytesIO(raw))


def test_a_character_across_two_blocks_is_no_fault() -> None:
    raw = b"x" * ((1 << 20) - 1) + "ñ\n".encode()
    assert digest_file(io.BytesIO(raw)).lines == 1


@given(st.binary(max_size=400), st.sampled_from(["csv", "ndjson"]))
def test_any_bytes_are_rows_or_one_refusal(raw: bytes, file_format: FileFormat) -> None:
    header = b"reference,last_name,date_of_birth,tax_periods\n" if file_format == "csv" else b""
    for row in read(header + raw, file_format):
        assert isinstance(row, RequestRow | BadRow)
