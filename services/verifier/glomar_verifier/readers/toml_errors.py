"""Checks a TOML text against a Struct, value by value, so that each fault has a position. Pure."""

import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec
from glomar_schemas.errors import Malformed
from msgspec import NODEFAULT, Struct

from glomar_verifier.readers.toml_positions import KeyPath

_TOML_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TOML_END = " (at end of document)"


class TomlFault(NamedTuple):
    """`line_offset`: how many lines below the first line of the value."""

    path: KeyPath
    what: str
    line_offset: int = 0


class NotToml(Malformed):
    """A text that is not TOML; `line` counts from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what, where=f"line {line}")
        self.line = line


def read_tree(raw: bytes) -> tuple[str, dict[str, Any]]:
    """-> (the text, its tables). Raises NotToml."""
    try:
        text = raw.decode()
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise NotToml("not UTF-8", raw.count(b"\n", 0, error.start) + 1) from None
    except RecursionError:
        raise NotToml("nested too deeply", 1) from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
    if match := _TOML_LINE.search(message):
        raise NotToml(f"not TOML: {message[: match.start()]}, column {match[2]}", int(match[1]))
    raise NotToml(f"not TOML: {message.removesuffix(_TOML_END)}", raw.count(b"\n") + 1)


def type_faults(value: object, kind: Any, path: KeyPath = ()) -> Iterator[TomlFault]:
    """Where the value does not have the type `kind`. The parts of a value come first; the value as a whole is
    checked only if its parts have no fault. A text type with a description (`msgspec.Meta`) is reported by
    this description."""
    parts = list(_part_faults(value, kind, path))
    yield from parts
    if parts:
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        described = _description(kind) if isinstance(value, str) else ""
        yield TomlFault(path, f"not {described}" if described else str(error).partition(" - at `$")[0])
    except RecursionError:
        yield TomlFault(path, "nested too deeply")


def _description(kind: Any) -> str:
    return next((note.description or "" for note in get_args(kind)[1:] if isinstance(note, msgspec.Meta)), "")


def _part_faults(value: object, kind: Any, path: KeyPath) -> Iterator[TomlFault]:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Struct):
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key, inner in value.items():
            if key not in fields:
                yield TomlFault((*path, key), "unknown field")
            else:
                yield from type_faults(inner, fields[key].type, (*path, key))
        for key, field in fields.items():
            if key not in value and field.default is NODEFAULT and field.default_factory is NODEFAULT:
                yield TomlFault(path, f"{key} is missing")
    elif isinstance(value, dict) and origin is dict:
        for key, inner in value.items():
            yield from type_faults(key, arguments[0], (*path, key))
            yield from type_faults(inner, arguments[1], (*path, key))
    elif isinstance(value, list) and origin is tuple:
        for number, inner in enumerate(value):
            yield from type_faults(inner, arguments[0], (*path, number))
