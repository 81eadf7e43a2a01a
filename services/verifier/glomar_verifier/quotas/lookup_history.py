"""The table `looked` of the counts: which addresses were looked up under which names.

Names are stored as keyed hashes, one row for each part by which a name can be found again. An address counts
for a person if the request for it would have been confirmed had the person lived there.
"""

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from glomar_verifier.quotas.hidden_names import DatedName, HiddenName, NameKeys, RecordedName, same_name

_ENCODER = msgspec.msgpack.Encoder()
_NAME = msgspec.msgpack.Decoder(HiddenName)
_VARIANTS = msgspec.msgpack.Decoder(tuple[DatedName, ...])


def add(database: sqlite3.Connection, requested: NameKeys[DatedName], address: int, at_ns: int) -> None:
    """Each address under each name once, with the latest time."""
    database.executemany(
        "INSERT INTO looked VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ns = max(at_ns, excluded.at_ns)",
        [(part, address, name, at_ns) for part, name in _rows(requested)],
    )


def count_addresses(database: sqlite3.Connection, recorded: NameKeys[RecordedName], after_ns: int) -> int:
    """Addresses looked up after `after_ns` under any name that the gates could accept for this person.

    Raises MsgspecError if the table is damaged.
    """
    matching: set[int] = set()
    parts = {part for name in recorded.names for part in name.parts}
    for encoded, addresses in _find(database, parts, after_ns):
        requested = _NAME.decode(encoded)
        if any(same_name(requested, name) for name in recorded.names):
            matching |= addresses
    for dated in recorded.dated:
        for encoded, addresses in _find(database, {dated.born}, after_ns):
            # Most often nobody else has this birth date; addresses that count already are not compared.
            if not addresses <= matching and any(
                name.may_match(variant) for variant in _VARIANTS.decode(encoded) for name in dated.names
            ):
                matching |= addresses
    return len(matching)


def _rows(requested: NameKeys[DatedName]) -> Iterator[tuple[int, bytes]]:
    """(part to find it by, encoded name to compare)."""
    for name in requested.names:
        encoded = _ENCODER.encode(name)
        yield from ((part, encoded) for part in name.parts)
    yield from ((dated.born, _ENCODER.encode(dated.names)) for dated in requested.dated)


def _find(database: sqlite3.Connection, parts: set[int], after_ns: int) -> Iterable[tuple[bytes, set[int]]]:
    """Each encoded name with one of these parts, and its addresses."""
    by_name: dict[bytes, set[int]] = {}
    if parts:
        marks = ", ".join("?" * len(parts))
        rows = database.execute(
            f"SELECT address, name FROM looked WHERE part IN ({marks}) AND at_ns > ?",  # noqa: S608
            (*parts, after_ns),
        )
        for address, name in rows:
            by_name.setdefault(name, set()).add(address)
    return by_name.items()
