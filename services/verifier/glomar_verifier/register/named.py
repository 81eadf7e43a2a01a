"""A line of NDJSON as the texts that a row of CSV would hold (PROTOCOL.md, Files). `rows` calls it; pure."""

from collections.abc import Mapping
from pathlib import Path

from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed

Value = str | bool | int | None | list[int]


def is_named(source: Path) -> bool:
    """Does each line of the file name its own columns?"""
    return source.suffix in (".ndjson", ".jsonl")


def read_named(raw: bytes, blank: Mapping[str, str]) -> dict[str, str]:
    """Every column of `blank`, as text: true, 2015, 2023;2024; null and what isn't there are blank. Raises
    Malformed, naming the column."""
    given = decode(raw.strip(), dict[str, Value], what="")
    if not given.keys() <= blank.keys():
        # Its name isn't quoted: it may be somebody's.
        raise Malformed("holds an unknown column")
    return {**blank, **{column: _text(value) for column, value in given.items()}}


def _text(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ";".join(map(str, value))
    return str(value)
