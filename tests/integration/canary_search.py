"""Searches bytes for canaries: plain in any case, in UTF-16, hex or base64, and inside base64 or gzip.

A canary is an invented word that occurs nowhere else.
"""

import base64
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_GZIP = b"\x1f\x8b\x08"
_SQLITE = b"SQLite format 3\x00"
DEEPEST = 3
"""A sealed part is base64 in a payload, which is base64 in a body, which an API encodes again."""


def found(data: bytes, canaries: Iterable[str]) -> set[str]:
    """The canaries that can be read from the data."""
    wanted = list(canaries)
    hits: set[str] = set()
    for layer in _layers(data, DEEPEST):
        lowered = layer.lower()
        for canary in wanted:
            if any(spelling in lowered for spelling in _spellings(canary)):
                hits.add(canary)
    return hits


def in_tree(root: Path, canaries: Iterable[str]) -> dict[str, set[str]]:
    """Relative path -> canaries, for every file below root that holds one. Databases are also read by row."""
    wanted = list(canaries)
    hits = {
        path.relative_to(root).as_posix(): found(path.read_bytes() + _rows(path), wanted)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    return {path: canaries_in for path, canaries_in in hits.items() if canaries_in}


def _rows(path: Path) -> bytes:
    """Every value of a SQLite file: in the file itself a long value is split over pages."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return b""
    values = []
    with closing(sqlite3.connect(path)) as database:
        database.text_factory = bytes
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            for row in database.execute(f'SELECT * FROM "{name.decode()}"'):
                values += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(values)


def _spellings(canary: str) -> Iterator[bytes]:
    """In lower case, as the searched data; this does not change hex and UTF-16."""
    text = canary.lower()
    yield text.encode()
    yield text.encode("utf-16-le")
    yield text.encode().hex().encode()
    yield text.upper().encode().hex().encode()
    yield text.title().encode().hex().encode()


def _layers(data: bytes, depth: int) -> Iterator[bytes]:
    yield data
    if depth == 0:
        return
    for match in _BASE64.finditer(data):
        for inner in _decoded(match[0]):
            yield from _layers(inner, depth - 1)
    start = data.find(_GZIP)
    while start >= 0:
        unpacked = _gunzipped(data[start:])
        if unpacked:
            yield from _layers(unpacked, depth - 1)
        start = data.find(_GZIP, start + 1)


def _decoded(run: bytes) -> Iterator[bytes]:
    """Decodes a run of base64 from each of the four places where it may begin."""
    text = run.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    for offset in range(4):
        part = text[offset:]
        if len(part) % 4 == 1:
            part = part[:-1]
        yield base64.b64decode(part + b"=" * (-len(part) % 4))


def _gunzipped(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        return unpacker.decompress(data, 64 * 1024 * 1024)
    except zlib.error:
        return b""
