"""Digests over a register in sections, so that a part can be checked without reading all of it.
The build writes them into the register's description; opening it compares some, `register check` all."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import groupby
from typing import Literal

import msgspec

Row = tuple[int, bytes]
Table = Literal["spell", "block"]

TABLES: tuple[Table, ...] = ("spell", "block")
DIGEST_BYTES = 16
# So many spells, by their ids, and so many keys of 64 bits, by their first twelve. At ten million people
# either is about ten thousand rows.
_SPELL_BITS, _KEY_BITS = 12, 52
_SIGN = 1 << 63
KEY_SECTIONS = 1 << 64 - _KEY_BITS


class Section(msgspec.Struct, frozen=True, array_like=True):
    """`number` as `section_of` has it; one without rows isn't kept. `digest`: see `digest_of`."""

    number: int
    digest: bytes


def section_of(table: Table, row: int) -> int:
    """The section of a spell's id or of a signed 64-bit key."""
    return row >> _SPELL_BITS if table == "spell" else (row + _SIGN) >> _KEY_BITS


def bounds(table: Table, section: int) -> tuple[int, int]:
    """Its first and last id or key, both included."""
    if table == "spell":
        return section << _SPELL_BITS, ((section + 1) << _SPELL_BITS) - 1
    return (section << _KEY_BITS) - _SIGN, ((section + 1) << _KEY_BITS) - 1 - _SIGN


def digests(table: Table, rows: Iterable[Row]) -> Iterator[Section]:
    """The sections of rows in ascending order."""
    for number, group in groupby(rows, lambda row: section_of(table, row[0])):
        yield Section(number, digest_of(group))


def digest_of(rows: Iterable[Row]) -> bytes:
    """BLAKE2b-128 over (id or key, length, content) of every row, eight and four bytes big-endian."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    for number, content in rows:
        digest.update(number.to_bytes(8, "big", signed=True) + len(content).to_bytes(4, "big") + content)
    return digest.digest()


def root(sections: Iterable[Section]) -> str:
    """BLAKE2b-256 (hex) over the sections' numbers, eight bytes each, and digests, in their order."""
    digest = blake2b(digest_size=32)
    for section in sections:
        digest.update(section.number.to_bytes(8, "big") + section.digest)
    return digest.hexdigest()
