"""Does a TOML text fit a Struct, and where not? Piece by piece, so that each mistake has its line.
`agreement check` calls it for agreements, `rules` for the rule files; pure."""

import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec
from glomar_schemas.errors import Malformed
from msgspec import NODEFAULT, Struct

from glomar_verifier.readers.toml_positions import Place

_TOML_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TOML_END = " (at end of document)"


class Fault(NamedTuple):
    """down: so many lines below the one in which the value begins."""

    place: Place
    what: str
    down: int = 0


class NotToml(Malformed):
    """line: from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what, where=f"line {line}")
        self.line = line


def read_tree(raw: bytes) -> tuple[str, dict[str, Any]]:
    """-> the text and its tables. Raises NotToml."""
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


def misfits(value: object, kind: Any, place: Place = ()) -> Iterator[Fault]:
    """What does not fit the type: piece by piece, and a piece as a whole only if its parts are well. A type
    with a description (`msgspec.Meta`) is said in its words."""
    parts = list(_of_parts(value, kind, place))
    yield from parts
    if parts:
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        described = _description(kind) if isinstance(value, str) else ""
        yield Fault(place, f"not {described}" if described else str(error).partition(" - at `$")[0])
    except RecursionError:
        yield Fault(place, "nested too deeply")


def _description(kind: Any) -> str:
    return next((note.description or "" for note in get_args(kind)[1:] if isinstance(note, msgspec.Meta)), "")


def _of_parts(value: object, kind: Any, place: Place) -> Iterator[Fault]:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Struct):
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key, inner in value.items():
            if key not in fields:
                yield Fault((*place, key), "unknown field")
            else:
                yield from misfits(inner, fields[key].type, (*place, key))
        for key, field in fields.items():
            if key not in value and field.default is NODEFAULT and field.default_factory is NODEFAULT:
                yield Fault(place, f"{key} is missing")
    elif isinstance(value, dict) and origin is dict:
        for key, inner in value.items():
            yield from misfits(key, arguments[0], (*place, key))
            yield from misfits(inner, arguments[1], (*place, key))
    elif isinstance(value, list) and origin is tuple:
        for number, inner in enumerate(value):
            yield from misfits(inner, arguments[0], (*place, number))
