"""At which addresses was looked for whom? The table `looked` of the counts, within one transaction. Called by
`counts`.

A name is kept hidden, with one row for each part by which it may be found again. An address counts for a
person if the question, as it was put there, could have been confirmed had the person lived there.
"""

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from glomar_verifier.decisions.disclosure import DatedName, HiddenName, Likeness, same_name
from glomar_verifier.quotas.dated_names import KnownName

_ENCODER = msgspec.msgpack.Encoder()
_NAME = msgspec.msgpack.Decoder(HiddenName)
_WAYS = msgspec.msgpack.Decoder(tuple[DatedName, ...])


def add(database: sqlite3.Connection, asked: Likeness[DatedName], address: int, at_ns: int) -> None:
    """An address under a name once, as of its latest."""
    database.executemany(
        "INSERT INTO looked VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ns = max(at_ns, excluded.at_ns)",
        [(part, address, name, at_ns) for part, name in _rows(asked)],
    )


def addresses_of(database: sqlite3.Connection, meant: Likeness[KnownName], after_ns: int) -> int:
    """How many were asked about since under any name that the gates could have taken for this person's.

    Raises MsgspecError where the table is damaged.
    """
    fitting: set[int] = set()
    for name, addresses in _found(database, {part for one in meant.names for part in one.parts}, after_ns):
        asked = _NAME.decode(name)
        if any(same_name(asked, one) for one in meant.names):
            fitting |= addresses
    for dated in meant.dated:
        for name, addresses in _found(database, {dated.born}, after_ns):
            # Most often nobody else was born that day, and what counts already need not be compared.
            if not addresses <= fitting and any(
                one.may_be_meant(asked) for asked in _WAYS.decode(name) for one in dated.names
            ):
                fitting |= addresses
    return len(fitting)


def _rows(asked: Likeness[DatedName]) -> Iterator[tuple[int, bytes]]:
    """By which part it may be found, and what is to be compared then."""
    for name in asked.names:
        encoded = _ENCODER.encode(name)
        yield from ((part, encoded) for part in name.parts)
    yield from ((dated.born, _ENCODER.encode(dated.names)) for dated in asked.dated)


def _found(database: sqlite3.Connection, parts: set[int], after_ns: int) -> Iterable[tuple[bytes, set[int]]]:
    """Each name that was asked and has one of these parts, with its addresses."""
    under: dict[bytes, set[int]] = {}
    if parts:
        marks = ", ".join("?" * len(parts))
        rows = database.execute(
            f"SELECT address, name FROM looked WHERE part IN ({marks}) AND at_ns > ?",  # noqa: S608
            (*parts, after_ns),
        )
        for address, name in rows:
            under.setdefault(name, set()).add(address)
    return under.items()
