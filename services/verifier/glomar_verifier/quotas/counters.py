"""Counters of series within one transaction of the counts.

A series is for example the cases of one officer. The new counts are written once, at the end: a batch names
the same officers many times.
"""

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

_NEVER_NS = 2**63 - 1
"""Later than any time that SQLite can hold."""


class SeriesCounters:
    """Valid for one transaction with no other writer, hence BEGIN IMMEDIATE."""

    def __init__(self, database: sqlite3.Connection, series: Iterable[int]) -> None:
        """series: those that the batch needs, read in one query."""
        self._db = database
        self._counts = dict.fromkeys(series, 0)
        wanted = msgspec.json.encode(list(self._counts)).decode()
        self._counts.update(
            database.execute(
                "SELECT t.series, members FROM json_each(?) AS w CROSS JOIN tally AS t ON t.series = w.value",
                (wanted,),
            )
        )
        self._oldest_ns = self._find_oldest()

    def add_member(self, series: int, member: int, at_ns: int) -> int:
        """-> distinct members of the series within the window, this one included.

        A member that was seen before is counted once, at its latest time.
        """
        self._oldest_ns = min(self._oldest_ns, at_ns)
        inserted = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (series, member, at_ns))
        if inserted.rowcount:
            return self.add(series, 1)
        self._db.execute(
            "UPDATE seen SET at_ns = max(at_ns, ?) WHERE series = ? AND member = ?", (at_ns, series, member)
        )
        return self.add(series, 0)

    def add(self, series: int, number: int) -> int:
        """-> the new count of the series."""
        count = self._counts.get(series)
        if count is None:
            row = self._db.execute("SELECT members FROM tally WHERE series = ?", (series,)).fetchone()
            count = int(row[0]) if row else 0
        self._counts[series] = count = count + number
        return count

    def expire(self, at_ns: int) -> None:
        """Removes members and requests of that time and older."""
        if self._oldest_ns > at_ns:
            return
        for (series,) in self._db.execute("DELETE FROM seen WHERE at_ns <= ? RETURNING series", (at_ns,)):
            self.add(series, -1)
        expired = self._db.execute(
            "DELETE FROM asked WHERE at_ns <= ? RETURNING officer, matter, day", (at_ns,)
        )
        for series_of_request in expired:
            for series in series_of_request:
                self.add(series, -1)
        self._oldest_ns = self._find_oldest()

    def write(self) -> None:
        positive = [(series, count) for series, count in self._counts.items() if count]
        empty = [(series,) for series, count in self._counts.items() if not count]
        self._db.executemany("INSERT OR REPLACE INTO tally VALUES (?, ?)", positive)
        self._db.executemany("DELETE FROM tally WHERE series = ?", empty)

    def _find_oldest(self) -> int:
        rows = self._db.execute("SELECT min(at_ns) FROM seen UNION SELECT min(at_ns) FROM asked")
        return min((oldest for (oldest,) in rows if oldest is not None), default=_NEVER_NS)


def key(*parts: str) -> int:
    """64-bit hash of the parts: SQLite is fastest with integer keys. No part may hold NUL."""
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
