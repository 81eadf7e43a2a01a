"""Rows of a CSV or NDJSON file from elsewhere, line by line, with what is wrong in which line and column.
`register build`, case rolls and `veto install` read through it; no fault ever holds a value of the file."""

import codecs
import contextlib
import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec
from glomar_schemas.errors import Malformed, Misconfigured

from glomar_verifier.register.named import is_named, read_named

MAX_LINE_BYTES = 16_384
MAX_FIELD_CHARACTERS = 256
BLANK = "blank"


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


class Chunk(msgspec.Struct, frozen=True):
    """Whole lines of a file: where they begin, how many bytes they are, and the number of the first."""

    offset: int
    size: int
    line: int


def read_day(text: str, column: str) -> date:
    """YYYY-MM-DD and no other of ISO 8601's many ways. Raises Malformed."""
    with contextlib.suppress(ValueError):
        day = date.fromisoformat(text)
        if day.isoformat() == text:
            return day
    raise Malformed("not a date as YYYY-MM-DD", where=column)


def read_rows(
    source: Path,
    known: Sequence[str],
    required: Sequence[str],
    *,
    max_characters: int = MAX_FIELD_CHARACTERS,
) -> Iterator[Row | RowFault]:
    """UTF-8 CSV with a header row, the columns in any order; or NDJSON, by the file's name.

    No field spans lines, so each line is parsed alone and a stray quote harms its own row only. Raises
    Malformed for a header with unknown, repeated or absent columns, Misconfigured if the file can't be
    read.
    """
    try:
        with source.open("rb") as file:
            header = _first_line(file, source, known, required)
            blank = dict.fromkeys(known, "")
            for line, raw in enumerate(_lines(file), start=2 if header else 1):
                yield _row(raw, line, file.tell(), header, blank, max_characters)
    except OSError as error:
        raise Misconfigured("can't be read", where=str(source), fix="Check path and permissions") from error


def read_header(source: Path, known: Sequence[str], required: Sequence[str]) -> list[str]:
    """The columns in the order of the file; none for NDJSON. Raises as `read_rows`."""
    try:
        with source.open("rb") as file:
            return _first_line(file, source, known, required)
    except OSError as error:
        raise Misconfigured("can't be read", where=str(source), fix="Check path and permissions") from error


def chunks(source: Path, about_bytes: int) -> Iterator[Chunk]:
    """All lines, but for a header, cut into chunks of about that size, so that several processes can read
    one file. A line that is longer has a chunk of its own; nothing is kept in memory. What is written to the
    file meanwhile is not followed. Raises OSError."""
    with source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        # Of a long header only the beginning is read by readline; the rest of that line ends here.
        offset, line = (0, 1) if is_named(source) else (_end_of_line(file), 2)
        while offset < size:
            lines = 0
            file.seek(offset)
            while block := file.read(about_bytes):
                lines += block.count(b"\n")
                if b"\n" in block:
                    break
            end = file.tell() - (len(block) - block.rfind(b"\n") - 1)
            yield Chunk(offset, end - offset, line)
            offset, line = end, line + lines


def _first_line(
    file: io.BufferedReader, source: Path, known: Sequence[str], required: Sequence[str]
) -> list[str]:
    return [] if is_named(source) else _header(next(_lines(file), b""), known, required)


def _end_of_line(file: io.BufferedReader) -> int:
    for _ in _lines(file):
        break
    return file.tell()


def read_chunk(
    source: Path, chunk: Chunk, header: Sequence[str], known: Sequence[str]
) -> Iterator[Row | RowFault]:
    """The chunk's rows, as `read_rows` gives them. Raises OSError."""
    blank = dict.fromkeys(known, "")
    with source.open("rb") as file:
        file.seek(chunk.offset)
        position, end = chunk.offset, chunk.offset + chunk.size
        for line, raw in enumerate(_lines(file), start=chunk.line):
            if position >= end:
                return
            position = file.tell() if len(raw) > MAX_LINE_BYTES else position + len(raw)
            yield _row(raw, line, position, header, blank)


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Each line; of one that is too long its first MAX_LINE_BYTES + 1, so that memory stays flat."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while rest and not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES:
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line


def _values(raw: bytes) -> list[str]:
    text = raw.decode("utf-8").rstrip("\r\n")
    if text and '"' not in text:
        return text.split(",")
    return next(csv.reader([text], strict=True), [])


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


def _row(
    raw: bytes,
    line: int,
    position: int,
    header: Sequence[str],
    blank: Mapping[str, str],
    max_characters: int = MAX_FIELD_CHARACTERS,
) -> Row | RowFault:
    if len(raw) > MAX_LINE_BYTES:
        return RowFault(line, "", f"longer than {MAX_LINE_BYTES} bytes")
    try:
        fields = _fields(raw, header, blank)
    except Malformed as fault:
        return RowFault(line, "", fault.what)
    if len(raw) > max_characters:
        for name, value in fields.items():
            if len(value) > max_characters:
                return RowFault(line, name, f"longer than {max_characters} characters")
    return Row(line, position, {**blank, **fields} if len(fields) < len(blank) else fields)


def _fields(raw: bytes, header: Sequence[str], blank: Mapping[str, str]) -> dict[str, str]:
    """The columns that the line has. Raises Malformed."""
    if not header:
        if raw.isspace():
            raise Malformed(BLANK)
        return read_named(raw, blank)
    try:
        values = _values(raw)
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    except csv.Error:
        raise Malformed("not CSV: a quote is left open or out of place") from None
    if not values:
        raise Malformed(BLANK)
    if len(values) != len(header):
        raise Malformed(f"has {len(values)} fields, the header {len(header)}")
    return dict(zip(header, values, strict=True))
