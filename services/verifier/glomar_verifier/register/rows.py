"""Rows of a CSV file from elsewhere, one line at a time, with what is wrong in which line and column.
`register build` and `veto install` read their files through it; no fault ever holds a value of the file."""

import codecs
import contextlib
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec
from glomar_schemas.errors import Malformed, Misconfigured

MAX_LINE_BYTES = 16_384
MAX_FIELD_CHARACTERS = 256


class RowFault(msgspec.Struct, frozen=True):
    """`line` counts from 1, the header included; `column` is a name of ours, or blank for the whole row."""

    line: int
    column: str
    what: str


class Row(msgspec.Struct, frozen=True):
    """`fields` has every known column, blank where the file has none; `position` is in bytes."""

    line: int
    position: int
    fields: Mapping[str, str]


def read_day(text: str, column: str) -> date:
    """YYYY-MM-DD and no other of ISO 8601's many ways. Raises Malformed."""
    with contextlib.suppress(ValueError):
        day = date.fromisoformat(text)
        if day.isoformat() == text:
            return day
    raise Malformed("not a date as YYYY-MM-DD", where=column)


def read_rows(source: Path, known: Sequence[str], required: Sequence[str]) -> Iterator[Row | RowFault]:
    """UTF-8 CSV with a header row, the columns in any order.

    No field spans lines, so each line is parsed alone and a stray quote harms its own row only. Raises
    Malformed for a header with unknown, repeated or absent columns, Misconfigured if the file can't be
    read.
    """
    try:
        with source.open("rb") as file:
            header = _header(next(_lines(file), b""), known, required)
            for line, raw in enumerate(_lines(file), start=2):
                yield _row(raw, line, file.tell(), header, known)
    except OSError as error:
        raise Misconfigured("can't be read", where=str(source), fix="Check path and permissions") from error


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Each line; of one that is too long its first MAX_LINE_BYTES + 1, so that memory stays flat."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while rest and not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES:
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line


def _values(raw: bytes) -> list[str]:
    return next(csv.reader([raw.decode("utf-8").rstrip("\r\n")], strict=True), [])


def _header(raw: bytes, known: Sequence[str], required: Sequence[str]) -> list[str]:
    try:
        names = _values(raw.removeprefix(codecs.BOM_UTF8))
    except (UnicodeDecodeError, csv.Error):
        raise Malformed("not a CSV header in UTF-8", where="line 1") from None
    for place, name in enumerate(names, start=1):
        if name not in known or name in names[: place - 1]:
            # Its name isn't quoted: a file without a header would show us a person there.
            raise Malformed(
                f"column {place} of the header is unknown or repeated", fix=f"Known: {', '.join(known)}"
            )
    absent = [name for name in required if name not in names]
    if absent:
        raise Malformed(f"the header lacks {', '.join(absent)}", where="line 1")
    return names


def _row(raw: bytes, line: int, position: int, header: list[str], known: Sequence[str]) -> Row | RowFault:
    if len(raw) > MAX_LINE_BYTES:
        return RowFault(line, "", f"longer than {MAX_LINE_BYTES} bytes")
    try:
        values = _values(raw)
    except UnicodeDecodeError:
        return RowFault(line, "", "not UTF-8")
    except csv.Error:
        return RowFault(line, "", "not CSV: a quote is left open or out of place")
    if len(values) != len(header):
        return RowFault(line, "", f"has {len(values)} fields, the header {len(header)}")
    for name, value in zip(header, values, strict=True):
        if len(value) > MAX_FIELD_CHARACTERS:
            return RowFault(line, name, f"longer than {MAX_FIELD_CHARACTERS} characters")
    return Row(line, position, {**dict.fromkeys(known, ""), **dict(zip(header, values, strict=True))})
