"""Reads a request file, CSV or NDJSON, row by row. Pure.

A fault names line and column, never a value: the files hold personal data.
"""

import codecs
import csv
import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Literal

from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed
from glomar_schemas.request_file import COLUMNS, Ask, Fault, form_faults, parse_ask
from msgspec import Struct

FileFormat = Literal["csv", "ndjson"]

MAX_COLUMNS = 200
MAX_LINE_BYTES = 65_536
"""Longer than any valid row. A longer line is a fault and is not read into memory."""
_BLOCK_BYTES = 1 << 20


class RequestRow(Struct, frozen=True):
    """line: counted from 1, a CSV header included."""

    line: int
    ask: Ask


class BadRow(Struct, frozen=True):
    """A row that is not sent. reference: blank if it cannot be read."""

    line: int
    reference: str
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return f"line {self.line}: " + "; ".join(f"{f.field}: {f.what}" for f in self.faults)


class FileDigest(Struct, frozen=True):
    """digest: SHA-256 of the file, in hex. lines: their number."""

    digest: str
    lines: int


def digest_file(file: BinaryIO) -> FileDigest:
    """Reads the whole file once, before any request is sent. Raises Malformed if it is not UTF-8."""
    digest, lines, last = hashlib.sha256(), 0, b"\n"
    decoder = codecs.getincrementaldecoder("utf-8")()
    while block := file.read(_BLOCK_BYTES):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            # `error.object` begins with the rest of the previous block: at most a part of one character.
            line = lines + error.object[: error.start].count(b"\n") + 1
            raise Malformed("not UTF-8", where=f"line {line}", fix="Save the file as UTF-8") from None
        digest.update(block)
        lines, last = lines + block.count(b"\n"), block[-1:]
    if decoder.getstate()[0]:
        raise Malformed("not UTF-8: it ends within a character", where=f"line {lines + 1}")
    return FileDigest(digest.hexdigest(), lines + (last != b"\n"))


def read_rows(file: BinaryIO, file_format: FileFormat) -> Iterator[RequestRow | BadRow]:
    """Every row but blank lines. No row spans lines, so a stray quote affects its own row only.

    Raises Malformed for a CSV header with unknown or repeated columns.
    """
    lines = enumerate(_lines(file), start=1)
    if file_format == "ndjson":
        for number, raw in lines:
            if raw.strip():
                yield _ndjson_row(number, raw)
        return
    header = _header(next(lines, (1, b""))[1])
    for number, raw in lines:
        if raw.strip():
            yield _csv_row(number, raw, header)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Each line; only the beginning of one that is too long, so that memory stays flat."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line


def _header(raw: bytes) -> list[str]:
    known = f"Known: {', '.join(COLUMNS)}"
    if len(raw) > MAX_LINE_BYTES or raw.count(b",") >= MAX_COLUMNS:
        raise Malformed(f"more than {MAX_COLUMNS} columns", where="line 1", fix=known)
    try:
        names = _values(raw.removeprefix(codecs.BOM_UTF8))
    except (csv.Error, UnicodeDecodeError):
        raise Malformed("not a CSV header in UTF-8", where="line 1", fix=known) from None
    if not names:
        raise Malformed("no header row", where="line 1", fix=known)
    for place, name in enumerate(names, start=1):
        # Its name is not quoted: in a file without a header it is personal data.
        if name not in COLUMNS:
            raise Malformed(f"column {place} is unknown", where="line 1", fix=known)
        if name in names[: place - 1]:
            raise Malformed(f"column {place} repeats {name}", where="line 1")
    return names


def _csv_row(number: int, raw: bytes, header: list[str]) -> RequestRow | BadRow:
    if len(raw) > MAX_LINE_BYTES:
        return _bad(number, f"longer than {MAX_LINE_BYTES} bytes")
    try:
        values = _values(raw)
    except UnicodeDecodeError:
        return _bad(number, "not UTF-8")
    except csv.Error:
        return _bad(number, "a quote is left open or out of place")
    if len(values) != len(header):
        return _bad(number, f"{len(values)} fields, where the header has {len(header)}")
    fields = dict(zip(header, values, strict=True))
    ask = parse_ask(fields)
    if isinstance(ask, Ask):
        return RequestRow(number, ask)
    reference = "" if any(fault.field == "reference" for fault in ask) else fields.get("reference", "")
    return BadRow(number, reference, tuple(ask))


def _ndjson_row(number: int, raw: bytes) -> RequestRow | BadRow:
    try:
        ask = decode(raw.strip(), Ask, what="row", max_bytes=MAX_LINE_BYTES)
    except Malformed as error:
        what, _, place = error.what.partition(" at `$.")
        field = place.rstrip("`").partition("[")[0]
        return BadRow(number, "", (Fault(field or "row", what),))
    faults = tuple(form_faults(ask))
    return BadRow(number, ask.reference, faults) if faults else RequestRow(number, ask)


def _values(raw: bytes) -> list[str]:
    return next(csv.reader([raw.decode("utf-8").rstrip("\r\n")], strict=True), [])


def _bad(number: int, what: str) -> BadRow:
    return BadRow(number, "", (Fault("row", what),))
