"""The `InclusionStore` of one ledger as two tables in the SQLite file of a publisher.

The publisher supplies the database, its transactions and its thread. One file may hold several ledgers: each
incarnation of a stream has its own.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from glomar_schemas.tlog.inclusion_watch import OwnMessage

# The digest is in the key: a stream restored from an older copy acknowledges a sequence twice, and the ledger
# may hold only the first message.
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS unseen (origin TEXT, sequence INTEGER, digest BLOB NOT NULL, "
    "PRIMARY KEY (origin, sequence, digest)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ledger (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, note TEXT NOT NULL, "
    "accusing TEXT NOT NULL DEFAULT '') WITHOUT ROWID",
)
_INSERT: Final = "INSERT OR IGNORE INTO unseen VALUES (?, ?, ?)"
_UNCONFIRMED: Final = """
SELECT sequence, digest FROM unseen WHERE origin = ? AND sequence > ? AND sequence <= ?
ORDER BY sequence LIMIT ?
"""
_CONFIRM: Final = "DELETE FROM unseen WHERE origin = ? AND sequence = ? AND digest = ?"
_CHECKPOINTS: Final = "SELECT note, accusing FROM ledger WHERE origin = ?"
# Another process may share the file and may have saved a larger checkpoint.
_SAVE_CHECKPOINT: Final = """
INSERT INTO ledger (origin, size, note) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET size = excluded.size, note = excluded.note WHERE excluded.size > size
"""
_SAVE_CONTRADICTION: Final = "UPDATE ledger SET accusing = ? WHERE origin = ? AND accusing = ''"


class Database(Protocol):
    """The methods used of an SQLite connection."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any: ...


Write = Callable[[Database], None]


class InclusionTables:
    """The rows of one ledger. Implements `InclusionStore`."""

    def __init__(
        self,
        origin: str,
        write: Callable[[Write], Awaitable[None]],
        read: Callable[[Callable[[Database], Any]], Awaitable[Any]],
    ) -> None:
        """write: runs it in one transaction; read: runs it and returns its result. Both raise Retryable."""
        self._origin, self._write, self._read = origin, write, read

    def insert(self, own: Iterable[OwnMessage]) -> Write:
        """The statement that stores them, for a transaction of the caller."""
        rows = self._keys(own)
        return lambda database: database.executemany(_INSERT, rows)

    async def checkpoints(self) -> tuple[str, str]:
        rows = await self._rows(_CHECKPOINTS, self._origin)
        return rows[0] if rows else ("", "")

    async def save_checkpoint(self, note: str, size: int) -> None:
        await self._write(lambda database: database.execute(_SAVE_CHECKPOINT, (self._origin, size, note)))

    async def save_contradiction(self, note: str) -> None:
        await self._write(lambda database: database.execute(_SAVE_CONTRADICTION, (note, self._origin)))

    async def unconfirmed(self, after: int, through: int, limit: int) -> list[OwnMessage]:
        rows = await self._rows(_UNCONFIRMED, self._origin, after, through, limit)
        return [OwnMessage(*row) for row in rows]

    async def confirm(self, found: Sequence[OwnMessage]) -> None:
        if rows := self._keys(found):
            await self._write(lambda database: database.executemany(_CONFIRM, rows))

    def _keys(self, own: Iterable[OwnMessage]) -> list[tuple[str, int, bytes]]:
        return [(self._origin, message.sequence, message.digest) for message in own]

    async def _rows(self, query: str, *values: object) -> list[Any]:
        rows: list[Any] = await self._read(lambda database: database.execute(query, values).fetchall())
        return rows
