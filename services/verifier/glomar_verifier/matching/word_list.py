"""Some hundred thousand words that are looked up now and then, kept as the text of their file.
`rules` loads them, `spelling` asks them; pure. A set of them would take twenty times the memory."""

import re
from collections.abc import Iterator
from itertools import pairwise

from glomar_schemas.errors import Misconfigured

_LINES = re.compile(rb"(?:[A-Z]+\n)+")
_PREFIX = 4
"""So few words begin with the same letters that they are run through in a microsecond."""
_AFTER_LETTERS = b"["
_KEPT = 32_768
"""Places that are remembered, of a prefix each."""


class Words:
    """A container of words of capital letters."""

    def __init__(self, raw: bytes, *, where: str) -> None:
        """raw: comment lines that begin with #, then a word a line, in order, none twice. Raises
        Misconfigured for anything else."""
        start = 0
        while raw.startswith(b"#", start):
            start = raw.find(b"\n", start) + 1 or len(raw)
        # A line end before the first word, too, so that each has one on both sides.
        self._text = b"\n" + raw[start:]
        self._spans: dict[bytes, tuple[int, int]] = {}
        found = _LINES.match(self._text, 1)
        well = found.end() if found else 0
        first = raw.count(b"\n", 0, start) + 1
        if not well or well < len(self._text):
            line = first + self._text.count(b"\n", 1, well)
            raise _misfit("no word of capital letters", where, line)
        lines = self._text.split()
        for line, (one, other) in enumerate(pairwise(lines), start=first + 1):
            if one >= other:
                raise _misfit("out of order, or stands twice", where, line)

    def __contains__(self, word: object) -> bool:
        if not isinstance(word, str) or not word.isascii():
            return False
        sought = word.encode()
        low, high = self._span(sought[:_PREFIX])
        # From the line end before the first of these words on.
        return b"\n" not in sought and self._text.find(b"\n%b\n" % sought, low - 1, high) >= 0

    def _span(self, prefix: bytes) -> tuple[int, int]:
        """Where the words that begin so begin and end."""
        found = self._spans.get(prefix)
        if found is None:
            if len(self._spans) == _KEPT:
                self._spans.clear()
            found = self._place(prefix), self._place(prefix + _AFTER_LETTERS)
            self._spans[prefix] = found
        return found

    def _place(self, sought: bytes) -> int:
        """Of the first word that is not before this one: binary search, 20 steps in a million words."""
        text = self._text
        low, high = 1, len(text)
        while low < high:
            # Before each line is the end of another.
            begin = text.rfind(b"\n", low - 1, (low + high) // 2) + 1
            end = text.index(b"\n", begin)
            if text[begin:end] < sought:
                low = end + 1
            else:
                high = begin
        return low

    def __len__(self) -> int:
        return self._text.count(b"\n", 1)

    def __iter__(self) -> Iterator[str]:
        return iter(self._text.decode().split())


def _misfit(what: str, where: str, line: int) -> Misconfigured:
    return Misconfigured(what, where=f"{where}, line {line}", fix="Mend the line, or reinstall Glomar")
