"""Series and how many members each has, within one transaction of the counts. Called by `counts`.

What was counted is written back once, at the end: a batch asks for the same officers again and again.
"""

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

_NONE_NS = 2**63 - 1
"""Younger than anything that SQLite can hold."""


class Tally:
    """Good for one transaction that nobody else writes in, hence BEGIN IMMEDIATE."""

    def __init__(self, database: sqlite3.Connection, series: Iterable[int]) -> None:
        """series: those that will be asked about; read at once, since one by one takes longer."""
        self._db = database
        self._members = dict.fromkeys(series, 0)
        wanted = msgspec.json.encode(list(self._members)).decode()
        self._members.update(
            database.execute(
                "SELECT t.series, members FROM json_each(?) AS w CROSS JOIN tally AS t ON t.series = w.value",
                (wanted,),
            )
        )
        self._oldest_ns = self._find_oldest()

    def see(self, series: int, member: int, at_ns: int) -> int:
        """The members of the series within the window, this one included; each once, as of its latest."""
        self._oldest_ns = min(self._oldest_ns, at_ns)
        came = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (series, member, at_ns))
        if came.rowcount:
            return self.add(series, 1)
        self._db.execute(
            "UPDATE seen SET at_ns = max(at_ns, ?) WHERE series = ? AND member = ?", (at_ns, series, member)
        )
        return self.add(series, 0)

    def add(self, series: int, number: int) -> int:
        """-> how many the series has now."""
        members = self._members.get(series)
        if members is None:
            row = self._db.execute("SELECT members FROM tally WHERE series = ?", (series,)).fetchone()
            members = int(row[0]) if row else 0
        self._members[series] = members = members + number
        return members

    def forget_until(self, at_ns: int) -> None:
        """Takes out what is not younger."""
        if self._oldest_ns > at_ns:
            return
        for (series,) in self._db.execute("DELETE FROM seen WHERE at_ns <= ? RETURNING series", (at_ns,)):
            self.add(series, -1)
        gone = self._db.execute("DELETE FROM asked WHERE at_ns <= ? RETURNING officer, matter, day", (at_ns,))
        for of_one in gone:
            for series in of_one:
                self.add(series, -1)
        self._oldest_ns = self._find_oldest()

    def write(self) -> None:
        kept = [(series, members) for series, members in self._members.items() if members]
        gone = [(series,) for series, members in self._members.items() if not members]
        self._db.executemany("INSERT OR REPLACE INTO tally VALUES (?, ?)", kept)
        self._db.executemany("DELETE FROM tally WHERE series = ?", gone)

    def _find_oldest(self) -> int:
        found = self._db.execute("SELECT min(at_ns) FROM seen UNION SELECT min(at_ns) FROM asked")
        return min((oldest for (oldest,) in found if oldest is not None), default=_NONE_NS)


def key(*parts: str) -> int:
    """64 bits that stand for the parts, since SQLite is fastest by integers; NUL occurs in none of them."""
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
