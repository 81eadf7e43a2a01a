"""The durable list of requests that a hold covers. Called by the app; a request on it is acknowledged, and so
blocks nobody.

It can be rebuilt at any time (`rebuilding`): what waits is what has no verdict.
"""

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

from glomar_schemas.errors import Misconfigured
from msgspec import Struct

NO_HOLD = 0
"""No control has this slot: such a request may go on, or finds out which hold it waits for."""

_COMPLETE = 1
"""SQLite's user_version once nothing that waits can be missing."""

# The database keeps `tally` itself: neither a count nor a look for what may go on reads through the list.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    sequence INTEGER PRIMARY KEY,
    hold INTEGER NOT NULL,
    since_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_hold ON waiting (hold, sequence);
CREATE TABLE IF NOT EXISTS tally (hold INTEGER PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
DELETE FROM tally;
INSERT INTO tally SELECT hold, count(*) FROM waiting GROUP BY hold;
CREATE TRIGGER IF NOT EXISTS come AFTER INSERT ON waiting BEGIN
    INSERT INTO tally VALUES (new.hold, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER IF NOT EXISTS gone AFTER DELETE ON waiting BEGIN
    UPDATE tally SET number = number - 1 WHERE hold = old.hold;
END;
CREATE TRIGGER IF NOT EXISTS moved AFTER UPDATE OF hold ON waiting BEGIN
    UPDATE tally SET number = number - 1 WHERE hold = old.hold;
    INSERT INTO tally VALUES (new.hold, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
"""


class Held(Struct, frozen=True):
    """A request that waits: its sequence, the slot of the hold, and since when (ns since the Unix epoch)."""

    sequence: int
    hold: int
    since_ns: int


class Waiting:
    """One file, one process. What `add` was given is durable when it returns."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")
        except sqlite3.Error:
            raise Misconfigured("the list of waiting requests can't be opened", where=str(path)) from None

    @property
    def is_complete(self) -> bool:
        """False for a new file: what waited by an earlier one must be found in the stream first."""
        [version] = self._database.execute("PRAGMA user_version").fetchone()
        return int(version) == _COMPLETE

    def completed(self) -> None:
        self._database.execute(f"PRAGMA user_version = {_COMPLETE}")

    def add(self, held: Iterable[Held]) -> None:
        """A request that waits already, also for another hold by now, keeps the time since when it waits."""
        self._write(
            "INSERT INTO waiting VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hold = excluded.hold", held
        )

    def add_missing(self, held: Iterable[Held]) -> None:
        """What waits already stays as it is."""
        self._write("INSERT INTO waiting VALUES (?, ?, ?) ON CONFLICT DO NOTHING", held)

    def resumable(self, holds_in_force: Collection[int], limit: int) -> list[Held]:
        """The oldest that wait for none of these holds any more."""
        found: list[Held] = []
        for hold in self.by_hold().keys() - set(holds_in_force):
            rows = self._database.execute(
                "SELECT sequence, hold, since_ns FROM waiting WHERE hold = ? ORDER BY sequence LIMIT ?",
                (hold, limit),
            )
            found += [Held(*row) for row in rows]
        return sorted(found, key=lambda one: one.sequence)[:limit]

    def by_hold(self) -> dict[int, int]:
        """Slot of the hold -> how many wait for it; at least one each."""
        return dict(self._database.execute("SELECT hold, number FROM tally WHERE number > 0 ORDER BY hold"))

    def remove(self, sequences: Iterable[int]) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("DELETE FROM waiting WHERE sequence = ?", [(n,) for n in sequences])

    def __len__(self) -> int:
        return sum(self.by_hold().values())

    def close(self) -> None:
        self._database.close()

    def _write(self, statement: str, held: Iterable[Held]) -> None:
        rows = [(one.sequence, one.hold, one.since_ns) for one in held]
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(statement, rows)
