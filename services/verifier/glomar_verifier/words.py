"""Some hundred thousand words that are looked up now and then, kept as the text of their file.
`rules` loads them, `spelling` asks them; pure. A set of them would take twenty times the memory."""

import re
from collections.abc import Iterator
from itertools import pairwise

from glomar_schemas.errors import Misconfigured

_LINES = re.compile(rb"(?:[A-Z]+\n)+")


class Words:
    """A container of words of capital letters."""

    def __init__(self, raw: bytes, *, where: str) -> None:
        """raw: comment lines that begin with #, then a word a line, in order, none twice. Raises
        Misconfigured for anything else."""
        start = 0
        while raw.startswith(b"#", start):
            start = raw.find(b"\n", start) + 1 or len(raw)
        self._text = raw[start:]
        found = _LINES.match(self._text)
        well = found.end() if found else 0
        first = raw.count(b"\n", 0, start) + 1
        if not well or well < len(self._text):
            line = first + self._text.count(b"\n", 0, well)
            raise _misfit("no word of capital letters", where, line)
        lines = self._text.split()
        for line, (one, other) in enumerate(pairwise(lines), start=first + 1):
            if one >= other:
                raise _misfit("out of order, or stands twice", where, line)

    def __contains__(self, word: object) -> bool:
        """Binary search, from line to line: 20 steps in a million words."""
        if not isinstance(word, str) or not word.isascii():
            return False
        sought, text = word.encode(), self._text
        low, high = 0, len(text)
        while low < high:
            begin = text.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = text.index(b"\n", begin)
            found = text[begin:end]
            if found == sought:
                return True
            if found < sought:
                low = end + 1
            else:
                high = begin
        return False

    def __len__(self) -> int:
        return self._text.count(b"\n")

    def __iter__(self) -> Iterator[str]:
        return iter(self._text.decode().split())


def _misfit(what: str, where: str, line: int) -> Misconfigured:
    return Misconfigured(what, where=f"{where}, line {line}", fix="Mend the line, or reinstall Glomar")
