"""The index entries of each spell, and what the sorted entries show: the spells under each key, which is a
blocking key or a street of a ZIP code, crowded places, and rows of one person that contradict each other.
Pure.

The id of a spell is its line in the extract, so that a fault that is found at the end still has its line.
"""

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter

from glomar_verifier.matching.blocking import block_keys, keyed_hash, place_key, street_key
from glomar_verifier.matching.match import RegisterRecord
from glomar_verifier.matching.places import street_names
from glomar_verifier.readers.csv_rows import RowFault

MAX_POSTING = 10_000
"""A key keeps at most so many ids: with more it has too many records to compare (see `is_full`)."""
MAX_SPELLS = 200
"""One person has at most so many rows."""
MAX_SHARED_YEARS = 1
"""The year of a move belongs to two spells. More shared years at two places contradict each other."""

_SIGN = 1 << 63
_POSTING = struct.Struct(">QI")
_RESIDENT = struct.Struct(">QQI")
_SPELL = struct.Struct(">QIQIQHH")

WIDTHS = {"posting": _POSTING.size, "resident": _RESIDENT.size, "spell": _SPELL.size}
LINE_AT = {"posting": 8, "resident": 16, "spell": 8}

_BORN = slice(20, 24)
_key = itemgetter(slice(0, 8))


def index_entries(record: RegisterRecord, line: int, secret: bytes) -> tuple[list[bytes], bytes, bytes]:
    """-> (postings, resident, spell): the entries of one spell. They sort by their first eight bytes.

    `secret` (32 bytes) keys every hash: without it the entries disclose nothing about a person.
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
        ]
        + [
            pack(street_key(record.address.zip5, name, secret) + _SIGN, line)
            for name in street_names(record.address.street)
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
    """Lines of the spells at places with at least so many different people."""
    lines: list[int] = []
    for _, group in groupby(entries, _key):
        here = list(group)
        if len(here) >= people and len({entry[8:16] for entry in here}) >= people:
            lines.extend(int.from_bytes(entry[16:], "big") for entry in here)
    return lines


def contradictions(entries: Sequence[bytes]) -> tuple[int, list[RowFault], Counter[int]]:
    """-> (how many people keep a row, the rows that contradict another row of their person_id, how many
    people have each birth date, by its ordinal)."""
    people, faults, births = 0, [], []
    for _, group in groupby(entries, _key):
        rows = list(group)
        found = list(_contradicting([_SPELL.unpack(row) for row in rows])) if len(rows) > 1 else []
        faults += found
        if len(found) < len(rows):
            people += 1
            births.append(max(int.from_bytes(row[_BORN], "big") for row in rows))
    counts = Counter(births)
    del counts[0]
    return people, faults, counts


def _contradicting(rows: Sequence[tuple[int, ...]]) -> Iterator[RowFault]:
    """At most one fault a row. Two people under one id would count as one, and one of them would be confirmed
    as the other. So if the rows cannot be of one person, all of them are faults."""
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
    return shared > MAX_SHARED_YEARS and one[4] != other[4]
