"""What a publisher keeps of its ledger, as two tables of an SQLite file that it has anyway. For own_messages.

Called by requester and verifier, which bring the database, its transactions and its thread. One file may hold
several ledgers: a stream made anew has a new one.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from glomar_schemas.tlog.inclusion_watch import Noted

# The digest is in the key: a stream that was put back acknowledges a sequence twice, and the ledger may have
# the first message only.
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS unseen (origin TEXT, sequence INTEGER, digest BLOB NOT NULL, "
    "PRIMARY KEY (origin, sequence, digest)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ledger (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, note TEXT NOT NULL, "
    "accusing TEXT NOT NULL DEFAULT '') WITHOUT ROWID",
)
_NOTE: Final = "INSERT OR IGNORE INTO unseen VALUES (?, ?, ?)"
_UNSEEN: Final = """
SELECT sequence, digest FROM unseen WHERE origin = ? AND sequence > ? AND sequence <= ?
ORDER BY sequence LIMIT ?
"""
_FORGET: Final = "DELETE FROM unseen WHERE origin = ? AND sequence = ? AND digest = ?"
_KEPT: Final = "SELECT note, accusing FROM ledger WHERE origin = ?"
# Another process may share the file, and have read a newer one.
_KEEP: Final = """
INSERT INTO ledger (origin, size, note) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET size = excluded.size, note = excluded.note WHERE excluded.size > size
"""
_ACCUSE: Final = "UPDATE ledger SET accusing = ? WHERE origin = ? AND accusing = ''"


class Database(Protocol):
    """What is needed of an SQLite connection."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any: ...


Write = Callable[[Database], None]


class OwnTables:
    """The memory of one ledger in a publisher's file."""

    def __init__(
        self,
        origin: str,
        write: Callable[[Write], Awaitable[None]],
        read: Callable[[Callable[[Database], Any]], Awaitable[Any]],
    ) -> None:
        """write: runs it in one transaction; read: runs it and returns what it says. Both raise Retryable."""
        self._origin, self._write, self._read = origin, write, read

    def noting(self, own: Iterable[Noted]) -> Write:
        """What writes them down, for a transaction that is made anyway."""
        rows = [(self._origin, each.sequence, each.digest) for each in own]
        return lambda database: database.executemany(_NOTE, rows)

    async def kept(self) -> tuple[str, str]:
        rows = await self._rows(_KEPT, self._origin)
        return rows[0] if rows else ("", "")

    async def keep(self, note: str, size: int) -> None:
        await self._write(lambda database: database.execute(_KEEP, (self._origin, size, note)))

    async def accuse(self, note: str) -> None:
        await self._write(lambda database: database.execute(_ACCUSE, (note, self._origin)))

    async def unseen(self, after: int, through: int, limit: int) -> list[Noted]:
        return [Noted(*row) for row in await self._rows(_UNSEEN, self._origin, after, through, limit)]

    async def forget(self, seen: Sequence[Noted]) -> None:
        rows = [(self._origin, each.sequence, each.digest) for each in seen]
        if rows:
            await self._write(lambda database: database.executemany(_FORGET, rows))

    async def _rows(self, query: str, *values: object) -> list[Any]:
        found: list[Any] = await self._read(lambda database: database.execute(query, values).fetchall())
        return found
