"""A file of verdicts to recall: CSV (RFC 4180) with a header row."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from glomar_schemas.errors import Malformed
from glomar_schemas.files import read
from glomar_schemas.messages import Cause
from glomar_schemas.subjects import is_request_id, is_token
from msgspec import Struct

COLUMNS = ("request_id", "agency", "cause")


class RecallTarget(Struct, frozen=True, kw_only=True):
    """A verdict to recall, and why."""

    request_id: str
    agency: str
    cause: Cause


class RecallRow(Struct, frozen=True):
    """One line. fault: why there is no target."""

    line: int
    target: RecallTarget | None
    fault: str = ""


def read_rows(file: Path, agency: str, cause: Cause | None) -> Iterator[RecallRow]:
    """agency, cause: for rows without them. Raises Misconfigured (unreadable), Malformed."""
    try:
        text = read(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8", where=str(file)) from None
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    header = next(reader, [])
    if "request_id" not in header or not set(header) <= set(COLUMNS) or len(set(header)) != len(header):
        known = ", ".join(COLUMNS)
        raise Malformed("not the columns of recalls", where=f"{file}: line 1", fix=f"Known: {known}")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield RecallRow(reader.line_num, None, "not CSV")
            continue
        if len(cells) == len(header):
            yield _row(reader.line_num, dict(zip(header, cells, strict=True)), agency, cause)
        elif cells:
            yield RecallRow(reader.line_num, None, "not as many cells as the header")


def _row(line: int, fields: dict[str, str], agency: str, cause: Cause | None) -> RecallRow:
    agency, given_cause = fields.get("agency") or agency, fields.get("cause") or cause
    if not is_request_id(fields["request_id"]):
        return RecallRow(line, None, "request_id: not a request id")
    if not is_token(agency):
        return RecallRow(line, None, "agency: missing, or not an agency's name")
    if given_cause not in get_args(Cause):
        return RecallRow(line, None, f"cause: not one of {', '.join(get_args(Cause))}")
    return RecallRow(line, RecallTarget(request_id=fields["request_id"], agency=agency, cause=given_cause))  # type: ignore[arg-type]
