"""A file of recalls: valid rows are used, a bad one is reported with its line."""

from pathlib import Path

import pytest
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_verifier.recalls.recall_file import RecallRow, RecallTarget, read_rows

ID = "0199c3f2-6a00-7b1d-8c55-3f0a6d2e9b74"


def rows(path: Path, text: str, agency: str = "", cause: str | None = None) -> list[RecallRow]:
    file = path / "recalls.csv"
    file.write_bytes(text.encode())
    return list(read_rows(file, agency, cause))  # type: ignore[arg-type]


def test_a_row_says_whose_verdict_is_recalled_and_why(tmp_path: Path) -> None:
    target = RecallTarget(request_id=ID, agency="ice", cause="court-order")
    assert rows(tmp_path, f"request_id,agency,cause\r\n{ID},ice,court-order\r\n") == [RecallRow(2, target)]
    assert rows(tmp_path, f"\ufeffrequest_id\n\n{ID}\n", "ice", "court-order") == [RecallRow(3, target)]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("no id,ice,other", "request_id"),
        (f"{ID},,other", "agency"),
        (f"{ID},ICE,other", "agency"),
        (f"{ID},ice,because", "cause"),
        (f"{ID},ice", "cells"),
        (f"{ID},ice,other,more", "cells"),
        (f'"{ID}"x,ice,other', "not CSV"),
    ],
)
def test_a_bad_row_is_named_and_the_next_goes_on(tmp_path: Path, line: str, fault: str) -> None:
    bad, good = rows(tmp_path, f"request_id,agency,cause\n{line}\n{ID},ice,other\n")
    assert (bad.line, bad.target, good.line) == (2, None, 3)
    assert fault in bad.fault and ID not in bad.fault and good.target is not None


@pytest.mark.parametrize(
    "text", ["", "agency,cause\nice,other\n", "request_id,person\n", "request_id,request_id\n"]
)
def test_a_file_with_other_columns_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Malformed, match="line 1"):
        rows(tmp_path, text)


def test_a_missing_file_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can't be read"):
        list(read_rows(tmp_path / "none.csv", "ice", "other"))
