"""What the build files of each spell, and what it finds when the files are sorted: who shares a key, who
lives where, whose rows contradict each other. Pure; called by the build's workers.

A spell's id is its line in the extract, so that a fault found last is still told by line.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter

from glomar_verifier.matching.blocking import block_keys, keyed_hash, place_key
from glomar_verifier.matching.match import Record
from glomar_verifier.readers.csv_rows import RowFault

MAX_POSTING = 10_000
"""Of a key that so many spells share no more ids are filed: it is too full to weigh (see `is_full`)."""
MAX_SPELLS = 200
"""More rows than that are not one person's."""
SHARED_BY_A_MOVE = 1
"""A move within a year belongs to two spells; more shared years at two places contradict each other."""

_SIGN = 1 << 63
_POSTING = struct.Struct(">QI")
_RESIDENT = struct.Struct(">QQI")
_SPELL = struct.Struct(">QIQIQHH")

WIDTHS = {"posting": _POSTING.size, "resident": _RESIDENT.size, "spell": _SPELL.size}
LINE_AT = {"posting": 8, "resident": 16, "spell": 8}

_key = itemgetter(slice(0, 8))


def file(record: Record, line: int, secret: bytes) -> tuple[list[bytes], bytes, bytes]:
    """-> (postings, resident, spell): the entries of one spell, which sort by their first eight bytes.

    `secret` (32 bytes) keys every hash: without it the entries tell nothing about anybody.
    """
    person = keyed_hash(record.person_id, secret) + _SIGN
    place = place_key(record.address, secret) + _SIGN
    first = _first_name(record.name.first, secret)
    born = record.date_of_birth.toordinal() if record.date_of_birth else 0
    pack = _POSTING.pack
    return (
        [
            pack(key + _SIGN, line)
            for key in block_keys(record.name, record.address, record.date_of_birth, secret)
        ],
        _RESIDENT.pack(place, person, line),
        _SPELL.pack(person, line, first, born, place, record.from_year, record.to_year),
    )


@lru_cache(maxsize=16_384)
def _first_name(text: str, secret: bytes) -> int:
    return keyed_hash(text, secret) + _SIGN


def postings(entries: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """(signed 64-bit key, ids of four bytes each) in ascending order of the key."""
    found = []
    for key, group in groupby(entries, _key):
        ids = b"".join([entry[8:] for entry in islice(group, MAX_POSTING)])
        found.append((int.from_bytes(key, "big") - _SIGN, ids))
    return found


def is_full(posting: bytes) -> bool:
    return len(posting) >= 4 * MAX_POSTING


def ids_of(posting: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(posting) // 4}I", posting)


def crowded(entries: Sequence[bytes], people: int) -> list[int]:
    """Lines of the spells at places where so many different people are known."""
    lines: list[int] = []
    for _, group in groupby(entries, _key):
        here = list(group)
        if len(here) >= people and len({entry[8:16] for entry in here}) >= people:
            lines.extend(int.from_bytes(entry[16:], "big") for entry in here)
    return lines


def contradictions(entries: Sequence[bytes]) -> tuple[int, list[RowFault]]:
    """-> how many people keep a row, and the rows that contradict another one of their person_id."""
    people, faults = 0, []
    for _, group in groupby(entries, _key):
        rows = list(group)
        found = list(_contradicting([_SPELL.unpack(row) for row in rows])) if len(rows) > 1 else []
        faults += found
        people += len(found) < len(rows)
    return people, faults


def _contradicting(rows: Sequence[tuple[int, ...]]) -> Iterator[RowFault]:
    """One fault a row at most. Two people under one id would count as one, and one of them be confirmed
    as the other; so if the rows can't be one person's, all of them go."""
    lines = [row[1] for row in rows]
    if len(rows) > MAX_SPELLS:
        yield from (RowFault(line, "person_id", f"in more than {MAX_SPELLS} rows") for line in lines)
    elif len({row[3] for row in rows if row[3]}) > 1:
        yield from (
            RowFault(line, "date_of_birth", "another row of this person_id has another") for line in lines
        )
    elif len({row[2] for row in rows}) > 1:
        yield from (
            RowFault(line, "first_name", "another row of this person_id has another") for line in lines
        )
    else:
        for row in rows:
            other = next((one for one in rows if _overlap(row, one)), None)
            if other is not None:
                what = f"the years overlap those of another address of this person_id, line {other[1]}"
                yield RowFault(row[1], "from_year", what)


def _overlap(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    shared = min(one[6], other[6]) - max(one[5], other[5]) + 1
    return shared > SHARED_BY_A_MOVE and one[4] != other[4]
