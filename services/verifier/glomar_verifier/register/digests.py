"""Digests of a register's sections, so that a part can be checked without reading the whole. Pure.
The build stores them in the register's description."""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Literal

import msgspec

StoredRow = tuple[int, bytes]
Table = Literal["spell", "block"]

TABLES: tuple[Table, ...] = ("spell", "block")
DIGEST_BYTES = 16
# A section is 4,096 ids of spells, or the keys of 64 bits with the same first twelve bits. At ten million
# people a section of keys is about ten thousand rows.
_SPELL_BITS, _KEY_BITS = 12, 52
_SIGN = 1 << 63


class SectionDigest(msgspec.Struct, frozen=True, array_like=True):
    """`number` as in `section_of`; `digest` as in `digest_of`. A section without rows has no digest."""

    number: int
    digest: bytes


def section_of(table: Table, row: int) -> int:
    """The section of a spell's id or of a signed 64-bit key."""
    return row >> _SPELL_BITS if table == "spell" else (row + _SIGN) >> _KEY_BITS


def bounds(table: Table, section: int) -> tuple[int, int]:
    """The first and last id or key of a section, both included."""
    if table == "spell":
        return section << _SPELL_BITS, ((section + 1) << _SPELL_BITS) - 1
    return (section << _KEY_BITS) - _SIGN, ((section + 1) << _KEY_BITS) - 1 - _SIGN


def digests(table: Table, rows: Sequence[StoredRow]) -> Iterator[SectionDigest]:
    """The sections of the rows, which are in ascending order."""
    start = 0
    while start < len(rows):
        number = section_of(table, rows[start][0])
        end = bisect_right(rows, bounds(table, number)[1], lo=start, key=itemgetter(0))
        yield SectionDigest(number, digest_of(rows[start:end]))
        start = end


def digest_of(rows: Sequence[StoredRow]) -> bytes:
    """BLAKE2b-128 over the number of rows (eight bytes), all ids or keys (eight bytes each), the lengths of
    all contents (four bytes each), and the contents. Big-endian."""
    contents = [content for _, content in rows]
    form = f">q{len(rows)}q{len(rows)}I"
    head = struct.pack(form, len(rows), *(number for number, _ in rows), *map(len, contents))
    return blake2b(head + b"".join(contents), digest_size=DIGEST_BYTES).digest()


def root(sections: Iterable[SectionDigest]) -> str:
    """BLAKE2b-256 (hex) over the number (eight bytes) and the digest of each section, in order."""
    digest = blake2b(digest_size=32)
    for section in sections:
        digest.update(section.number.to_bytes(8, "big") + section.digest)
    return digest.hexdigest()
