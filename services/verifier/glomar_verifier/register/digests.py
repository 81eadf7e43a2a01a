"""Digests over a register in sections, so that a part can be checked without reading all of it.
The build writes them into the register's description; opening it compares some, `register check` all."""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from operator import itemgetter
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


def digests(table: Table, rows: Sequence[Row]) -> Iterator[Section]:
    """The sections of rows in ascending order."""
    start = 0
    while start < len(rows):
        number = section_of(table, rows[start][0])
        end = bisect_right(rows, bounds(table, number)[1], lo=start, key=itemgetter(0))
        yield Section(number, digest_of(rows[start:end]))
        start = end


def digest_of(rows: Sequence[Row]) -> bytes:
    """BLAKE2b-128 over the number of rows, all ids or keys (eight bytes each, as the number), the lengths of
    all contents (four), and the contents. Big-endian."""
    contents = [content for _, content in rows]
    form = f">q{len(rows)}q{len(rows)}I"
    head = struct.pack(form, len(rows), *(number for number, _ in rows), *map(len, contents))
    return blake2b(head + b"".join(contents), digest_size=DIGEST_BYTES).digest()


def root(sections: Iterable[Section]) -> str:
    """BLAKE2b-256 (hex) over the sections' numbers, eight bytes each, and digests, in their order."""
    digest = blake2b(digest_size=32)
    for section in sections:
        digest.update(section.number.to_bytes(8, "big") + section.digest)
    return digest.hexdigest()
