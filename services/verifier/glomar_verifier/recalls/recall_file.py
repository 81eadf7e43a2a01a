"""A file of verdicts to recall: CSV (RFC 4180) with a header row. Called by the command."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.messages import Cause
from glomar_schemas.subjects import is_request_id, is_token
from msgspec import Struct

COLUMNS = ("request_id", "agency", "cause")


class Wanted(Struct, frozen=True, kw_only=True):
    """A verdict that is to be taken back."""

    request_id: str
    agency: str
    cause: Cause


class Row(Struct, frozen=True):
    """One line. fault: why it can't be a recall, `wanted` then being None."""

    line: int
    wanted: Wanted | None
    fault: str = ""


def read_rows(file: Path, agency: str, cause: Cause | None) -> Iterator[Row]:
    """agency, cause: for rows that leave them out. Raises Misconfigured (unreadable), Malformed."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(file)) from None
    except UnicodeDecodeError:
        raise Malformed("not UTF-8", where=str(file)) from None
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    head = next(reader, [])
    if "request_id" not in head or not set(head) <= set(COLUMNS) or len(set(head)) != len(head):
        known = ", ".join(COLUMNS)
        raise Malformed("not the columns of recalls", where=f"{file}: line 1", fix=f"Known: {known}")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Row(reader.line_num, None, "not CSV")
            continue
        if len(cells) == len(head):
            yield _row(reader.line_num, dict(zip(head, cells, strict=True)), agency, cause)
        elif cells:
            yield Row(reader.line_num, None, "not as many cells as the header")


def _row(line: int, said: dict[str, str], agency: str, cause: Cause | None) -> Row:
    who, why = said.get("agency") or agency, said.get("cause") or cause
    if not is_request_id(said["request_id"]):
        return Row(line, None, "request_id: not a request id")
    if not is_token(who):
        return Row(line, None, "agency: missing, or not an agency's name")
    if why not in get_args(Cause):
        return Row(line, None, f"cause: not one of {', '.join(get_args(Cause))}")
    return Row(line, Wanted(request_id=said["request_id"], agency=who, cause=why))  # type: ignore[arg-type]
