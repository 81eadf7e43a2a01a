"""Checks a TOML text against a Struct, value by value, and finds the lines of each value. Pure."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec
from glomar_schemas.errors import Malformed
from msgspec import NODEFAULT, Struct

_TOML_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TOML_END = " (at end of document)"

KeyPath = tuple[str | int, ...]
"""Keys and indices from the root: ("conditions", 6, "holds")."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\#[^\n]*)
      | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\])*" | '[^']*')
      | (?P<mark>[\[\]{},=\n])
      | (?P<bare>[^\s\[\]{},=\#"']+)""",
    re.DOTALL | re.VERBOSE,
)
_END = ("mark", "\n", 0)


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


class LineSpan(NamedTuple):
    """Lines from 1, the last one included; for a table its header only."""

    first: int
    last: int
    is_table: bool = False


def line_spans(text: str) -> Mapping[KeyPath, LineSpan]:
    """The lines of every table, of every key with its value, and of every array element.

    tomllib reads values without positions. The text must be valid TOML: read it with `read_tree` first.
    """
    return _PositionReader(text).read()


def line_of(spans: Mapping[KeyPath, LineSpan], path: KeyPath) -> int:
    """The line of the value, or of the nearest value around it that the text holds; 1 for the root."""
    while path and path not in spans:
        path = path[:-1]
    return spans[path].first if path else 1


def dotted(path: KeyPath) -> str:
    """The path in TOML's own notation: `conditions[6].holds`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


class _PositionReader:
    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), _END]
        self._at = 0
        self._spans: dict[KeyPath, LineSpan] = {}

    def read(self) -> Mapping[KeyPath, LineSpan]:
        table: KeyPath = ()
        arrays: Counter[KeyPath] = Counter()
        while self._at < len(self._tokens) - 1:
            if self._take("\n"):
                continue
            line = self._tokens[self._at][2]
            if self._take("["):
                is_array = self._take("[")
                table = _inside(self._key(), arrays)
                if is_array:
                    arrays[table] += 1
                    table = (*table, arrays[table] - 1)
                while self._take("]"):
                    pass
                self._spans.setdefault(table, LineSpan(line, line, is_table=True))
            else:
                self._pair(table)
        return self._spans

    def _pair(self, table: KeyPath) -> None:
        line = self._tokens[self._at][2]
        path = (*table, *self._key())
        self._take("=")
        self._value(path)
        self._spans[path] = LineSpan(line, self._last_line())

    def _key(self) -> KeyPath:
        parts: list[str] = []
        while (token := self._tokens[self._at])[0] != "mark":
            kind, text, _ = token
            parts += [text[1:-1]] if kind == "text" else [part for part in text.split(".") if part]
            self._at += 1
        return tuple(parts)

    def _value(self, path: KeyPath) -> None:
        if self._take("["):
            number = 0
            while not self._take("]"):
                if not (self._take("\n") or self._take(",")):
                    line = self._tokens[self._at][2]
                    self._value((*path, number))
                    self._spans[(*path, number)] = LineSpan(line, self._last_line())
                    number += 1
        elif self._take("{"):
            while not self._take("}"):
                if not (self._take("\n") or self._take(",")):
                    self._pair(path)
        else:
            # A scalar; a date and its time are two words.
            while self._tokens[self._at][0] != "mark":
                self._at += 1

    def _last_line(self) -> int:
        """The last line of the token that was read last."""
        _, text, line = self._tokens[self._at - 1]
        return line + text.count("\n")

    def _take(self, mark: str) -> bool:
        kind, text, _ = self._tokens[self._at]
        if kind == "mark" and text == mark and self._at < len(self._tokens) - 1:
            self._at += 1
            return True
        return False


def _inside(key: KeyPath, arrays: Counter[KeyPath]) -> KeyPath:
    """The key of a table, with the newest index after each array of tables that it passes."""
    path: KeyPath = ()
    for part in key[:-1]:
        path = (*path, part)
        if arrays[path]:
            path = (*path, arrays[path] - 1)
    return (*path, *key[-1:])


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, line) without blanks and comments."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup or "", match.group()
        if kind != "blank":
            yield kind, token, line
        line += token.count("\n")
