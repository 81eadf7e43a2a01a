"""The durable list of requests that a hold covers. Called by the app; a request on it is acknowledged, and so
blocks nobody.

It can be rebuilt at any time: what waits is what has no verdict.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from glomar_schemas.errors import Misconfigured
from msgspec import Struct

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    sequence INTEGER PRIMARY KEY,
    hold INTEGER NOT NULL,
    since_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_hold ON waiting (hold, sequence);
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

    def add(self, held: Iterable[Held]) -> None:
        """A request that waits already, also for another hold by now, keeps the time since when it waits."""
        rows = [(one.sequence, one.hold, one.since_ns) for one in held]
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT INTO waiting VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hold = excluded.hold", rows
            )

    def resumable(self, holds_in_force: Sequence[int], limit: int) -> list[Held]:
        """The oldest that wait for none of these holds any more."""
        marks = ", ".join("?" * len(holds_in_force))
        rows = self._database.execute(
            f"SELECT sequence, hold, since_ns FROM waiting WHERE hold NOT IN ({marks})"  # noqa: S608
            " ORDER BY sequence LIMIT ?",
            (*holds_in_force, limit),
        )
        return [Held(*row) for row in rows]

    def remove(self, sequences: Iterable[int]) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("DELETE FROM waiting WHERE sequence = ?", [(n,) for n in sequences])

    def __len__(self) -> int:
        [count] = self._database.execute("SELECT count(*) FROM waiting").fetchone()
        return int(count)

    def close(self) -> None:
        self._database.close()
