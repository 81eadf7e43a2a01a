"""In which lines of a TOML text does a value stand? tomllib reads values without places.
Called by `agreement check` and `agreement publish`; pure. The text must be TOML: tomllib says whether it is.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Place = tuple[str | int, ...]
"""Keys and indices from the root: ("conditions", 6, "holds")."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\#[^\n]*)
      | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\])*" | '[^']*')
      | (?P<mark>[\[\]{},=\n])
      | (?P<bare>[^\s\[\]{},=\#"']+)""",
    re.DOTALL | re.VERBOSE,
)
_END = ("mark", "\n", 0)


class Span(NamedTuple):
    """Lines from 1, the last one included; of a table its header alone."""

    first: int
    last: int
    is_table: bool = False


def spans(text: str) -> Mapping[Place, Span]:
    """Where every table, key with its value, and array element stands."""
    return _Reader(text).read()


def line_of(found: Mapping[Place, Span], place: Place) -> int:
    """The line of the place, or of the nearest thing around it that stands in the text; 1 for the root."""
    while place and place not in found:
        place = place[:-1]
    return found[place].first if place else 1


def dotted(place: Place) -> str:
    """As people write it: `conditions[6].holds`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), _END]
        self._at = 0
        self._spans: dict[Place, Span] = {}

    def read(self) -> Mapping[Place, Span]:
        table: Place = ()
        arrays: Counter[Place] = Counter()
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
                self._spans.setdefault(table, Span(line, line, is_table=True))
            else:
                self._pair(table)
        return self._spans

    def _pair(self, table: Place) -> None:
        line = self._tokens[self._at][2]
        place = (*table, *self._key())
        self._take("=")
        self._value(place)
        self._spans[place] = Span(line, self._last_line())

    def _key(self) -> Place:
        parts: list[str] = []
        while (token := self._tokens[self._at])[0] != "mark":
            kind, text, _ = token
            parts += [text[1:-1]] if kind == "text" else [part for part in text.split(".") if part]
            self._at += 1
        return tuple(parts)

    def _value(self, place: Place) -> None:
        if self._take("["):
            number = 0
            while not self._take("]"):
                if not (self._take("\n") or self._take(",")):
                    line = self._tokens[self._at][2]
                    self._value((*place, number))
                    self._spans[(*place, number)] = Span(line, self._last_line())
                    number += 1
        elif self._take("{"):
            while not self._take("}"):
                if not (self._take("\n") or self._take(",")):
                    self._pair(place)
        else:
            # A scalar; a date and its time are two words.
            while self._tokens[self._at][0] != "mark":
                self._at += 1

    def _last_line(self) -> int:
        """Of what was read last."""
        _, text, line = self._tokens[self._at - 1]
        return line + text.count("\n")

    def _take(self, mark: str) -> bool:
        kind, text, _ = self._tokens[self._at]
        if kind == "mark" and text == mark and self._at < len(self._tokens) - 1:
            self._at += 1
            return True
        return False


def _inside(key: Place, arrays: Counter[Place]) -> Place:
    """A table's key with the newest index after each array of tables on its way."""
    place: Place = ()
    for part in key[:-1]:
        place = (*place, part)
        if arrays[place]:
            place = (*place, arrays[place] - 1)
    return (*place, *key[-1:])


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, line) without blanks and comments."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup or "", match.group()
        if kind != "blank":
            yield kind, token, line
        line += token.count("\n")
