"""Reads CSV and NDJSON files of other parties line by line, and reports each fault with its line and column.
No fault quotes a value of the file, since a value may be personal data."""

import codecs
import contextlib
import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Misconfigured

MAX_LINE_BYTES = 16_384
MAX_FIELD_CHARACTERS = 256
BLANK = "blank"

_NDJSON_SUFFIXES = (".ndjson", ".jsonl")
_NdjsonValue = str | bool | int | None | list[int]


class RowFault(msgspec.Struct, frozen=True):
    """`line` counts from 1, header included; `column` is a known column, or blank for the whole row."""

    line: int
    column: str
    what: str


class FileRow(msgspec.Struct, frozen=True):
    """`fields` has every known column, blank if the file does not have it; `position` is the end of the line,
    in bytes."""

    line: int
    position: int
    fields: Mapping[str, str]


class FileChunk(msgspec.Struct, frozen=True):
    """Whole lines of a file: their offset and size in bytes, and the number of the first line."""

    offset: int
    size: int
    line: int


def read_day(text: str, column: str) -> date:
    """A date as YYYY-MM-DD; no other form of ISO 8601. Raises Malformed."""
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
) -> Iterator[FileRow | RowFault]:
    """The rows of a UTF-8 CSV file with a header, columns in any order; or of NDJSON, by the file's name.

    No field may span lines, so each line is parsed alone, and a stray quote affects its own row only. Raises
    Malformed for a header with unknown, repeated or missing columns, Misconfigured if the file cannot be
    read.
    """
    try:
        with source.open("rb") as file:
            header = _header(file, source, known, required)
            blank = dict.fromkeys(known, "")
            for line, raw in enumerate(_lines(file), start=2 if header else 1):
                yield _row(raw, line, file.tell(), header, blank, max_characters)
    except OSError as error:
        raise Misconfigured("can't be read", where=str(source), fix="Check path and permissions") from error


def read_header(source: Path, known: Sequence[str], required: Sequence[str]) -> list[str]:
    """The columns in the order of the file; empty for NDJSON. Raises as `read_rows`."""
    try:
        with source.open("rb") as file:
            return _header(file, source, known, required)
    except OSError as error:
        raise Misconfigured("can't be read", where=str(source), fix="Check path and permissions") from error


def chunks(source: Path, about_bytes: int) -> Iterator[FileChunk]:
    """All lines after the header, in chunks of about this size, so that several processes can read one file.
    A longer line is a chunk of its own. Lines that are appended meanwhile are not included. Raises
    OSError."""
    with source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        offset, line = (0, 1) if _is_ndjson(source) else (_end_of_first_line(file), 2)
        while offset < size:
            lines = 0
            file.seek(offset)
            while block := file.read(about_bytes):
                lines += block.count(b"\n")
                if b"\n" in block:
                    break
            end = file.tell() - (len(block) - block.rfind(b"\n") - 1)
            yield FileChunk(offset, end - offset, line)
            offset, line = end, line + lines


def read_chunk(
    source: Path, chunk: FileChunk, header: Sequence[str], known: Sequence[str]
) -> Iterator[FileRow | RowFault]:
    """The rows of the chunk, as `read_rows` gives them. Raises OSError."""
    blank = dict.fromkeys(known, "")
    with source.open("rb") as file:
        file.seek(chunk.offset)
        position, end = chunk.offset, chunk.offset + chunk.size
        for line, raw in enumerate(_lines(file), start=chunk.line):
            if position >= end:
                return
            position = file.tell() if len(raw) > MAX_LINE_BYTES else position + len(raw)
            yield _row(raw, line, position, header, blank)


def _is_ndjson(source: Path) -> bool:
    return source.suffix in _NDJSON_SUFFIXES


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Each line; of a line that is too long only the first MAX_LINE_BYTES + 1, so that memory stays flat."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while rest and not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES:
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line


def _end_of_first_line(file: io.BufferedReader) -> int:
    next(_lines(file), b"")
    return file.tell()


def _header(
    file: io.BufferedReader, source: Path, known: Sequence[str], required: Sequence[str]
) -> list[str]:
    """The columns of a CSV file; empty for NDJSON, of which each line names its own. Raises Malformed."""
    if _is_ndjson(source):
        return []
    try:
        names = _csv_values(next(_lines(file), b"").removeprefix(codecs.BOM_UTF8))
    except (UnicodeDecodeError, csv.Error):
        raise Malformed("not a CSV header in UTF-8", where="line 1") from None
    for number, name in enumerate(names, start=1):
        if name not in known or name in names[: number - 1]:
            # The name is not quoted: in a file without a header it is personal data.
            raise Malformed(
                f"column {number} of the header is unknown or repeated", fix=f"Known: {', '.join(known)}"
            )
    missing = [name for name in required if name not in names]
    if missing:
        raise Malformed(f"the header lacks {', '.join(missing)}", where="line 1")
    return names


def _row(
    raw: bytes,
    line: int,
    position: int,
    header: Sequence[str],
    blank: Mapping[str, str],
    max_characters: int = MAX_FIELD_CHARACTERS,
) -> FileRow | RowFault:
    if len(raw) > MAX_LINE_BYTES:
        return RowFault(line, "", f"longer than {MAX_LINE_BYTES} bytes")
    try:
        fields = _csv_fields(raw, header) if header else _ndjson_fields(raw, blank)
    except Malformed as fault:
        return RowFault(line, "", fault.what)
    if len(raw) > max_characters:
        for name, value in fields.items():
            if len(value) > max_characters:
                return RowFault(line, name, f"longer than {max_characters} characters")
    return FileRow(line, position, {**blank, **fields} if len(fields) < len(blank) else fields)


def _csv_fields(raw: bytes, header: Sequence[str]) -> dict[str, str]:
    """The columns of one line. Raises Malformed."""
    try:
        values = _csv_values(raw)
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    except csv.Error:
        raise Malformed("not CSV: a quote is left open or out of place") from None
    if not values:
        raise Malformed(BLANK)
    if len(values) != len(header):
        raise Malformed(f"has {len(values)} fields, the header {len(header)}")
    return dict(zip(header, values, strict=True))


def _csv_values(raw: bytes) -> list[str]:
    text = raw.decode("utf-8").rstrip("\r\n")
    if text and '"' not in text:
        return text.split(",")
    return next(csv.reader([text], strict=True), [])


def _ndjson_fields(raw: bytes, known: Mapping[str, str]) -> dict[str, str]:
    """The columns of one line as the text that CSV would hold (PROTOCOL.md, Files): true, 2015, 2023;2024;
    null is blank. Raises Malformed, naming the column."""
    if raw.isspace():
        raise Malformed(BLANK)
    given = decode(raw.strip(), dict[str, _NdjsonValue], what="")
    if not given.keys() <= known.keys():
        # The name is not quoted: it may be personal data.
        raise Malformed("holds an unknown column")
    return {column: _as_csv(value) for column, value in given.items()}


def _as_csv(value: _NdjsonValue) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ";".join(map(str, value))
    return str(value)
