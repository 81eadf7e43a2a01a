"""The agency's outbox and inbox: what was asked, what the stream has, what was answered. One SQLite file.

A body is here before it is first published, so that after a crash the same bytes are sent again. Rows are
only ever added, but for the outbox, which holds what the stream has not acknowledged, and for answers that
were recalled or have expired. Called by `Commits`.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from glomar_schemas.errors import GlomarError, Retryable
from glomar_schemas.tlog.inclusion_tables import Database

from glomar_requester.ask import Asked, Prepared
from glomar_requester.store.records import (
    Acknowledged,
    Answered,
    Certified,
    Change,
    Dated,
    Entry,
    Published,
    TakenBack,
    Told,
    ToldThrough,
    Withdrawn,
)
from glomar_requester.store.schema import open_database

T = TypeVar("T")

_UNFINISHED = """
SELECT asked.request_id, reference, coalesce(key, ''), fingerprint, digest, traceparent, expires_at, body
FROM outbox JOIN asked USING (request_id)
WHERE outbox.request_id > ? AND outbox.request_id < ? ORDER BY outbox.request_id LIMIT ?
"""
_ENTRY = """
SELECT asked.request_id, reference, coalesce(key, ''), fingerprint, digest, traceparent, expires_at,
  iif(outbox.request_id IS NULL, NULL, body), published.request_id IS NOT NULL, published.sequence, release,
  withdrawn.cause
FROM asked LEFT JOIN outbox USING (request_id) LEFT JOIN published USING (request_id)
  LEFT JOIN answered USING (request_id) LEFT JOIN withdrawn USING (request_id)
"""
_BY_ID = _ENTRY + " WHERE asked.request_id = ?"
_BY_KEYS = _ENTRY + " WHERE key IN (SELECT value FROM json_each(?))"  # noqa: S608 - two constants
_OF_VERSION_1 = "SELECT request_id FROM answered WHERE kept_until IS NULL LIMIT ?"
_UNDATED = f"{_ENTRY} WHERE asked.request_id IN ({_OF_VERSION_1})"
_RECALLS = """
SELECT number, request_id, reference, cause, recalled_at FROM told JOIN asked USING (request_id)
WHERE number > ? ORDER BY number LIMIT ?
"""
_KEEP = """
INSERT INTO answered SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM withdrawn WHERE request_id = ?1)
ON CONFLICT (request_id) DO UPDATE SET release = excluded.release WHERE ?4
"""
_WITHDRAW = """
INSERT OR IGNORE INTO withdrawn (request_id, cause) SELECT ?1, ?2
WHERE EXISTS (SELECT 1 FROM asked WHERE request_id = ?1)
"""


class Store:
    """Synchronous; used by one thread at a time. Other processes may use the same file."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file, readable by its owner alone. Raises Misconfigured."""
        self._db = open_database(path)

    def close(self) -> None:
        self._db.close()

    def write(self, changes: Sequence[Change]) -> None:
        """All changes in one transaction, durable when this returns. Raises Retryable: nothing is written."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._write_asking(changes)
            self._write_withdrawing(changes)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise _failed(error) from None

    def scrub(self) -> None:
        """Writes what was deleted over in the file itself, and empties the log that still holds it.

        Raises Retryable while another process reads.
        """
        [(busy, _, _)] = self._all("PRAGMA wal_checkpoint(TRUNCATE)", [])
        if busy:
            raise Retryable("another process is reading the store", where="store", fix="It is tried again")

    def query(self, ask: Callable[[Database], T]) -> T:
        """Raises Retryable."""
        try:
            return ask(self._db)
        except sqlite3.Error as error:
            raise _failed(error) from None

    def find(self, request_id: str) -> Entry | None:
        found = self._all(_BY_ID, [request_id])
        return _entry(found[0]) if found else None

    def by_keys(self, keys: Sequence[str]) -> dict[str, Entry]:
        """key -> what was asked under it; keys that were never used are left out."""
        return {entry.asked.key: entry for entry in map(_entry, self._all(_BY_KEYS, [json.dumps(keys)]))}

    def unfinished(self, after_id: str, before_id: str, limit: int) -> list[Prepared]:
        """What the stream has not acknowledged, oldest first: ids begin with their time."""
        rows = self._all(_UNFINISHED, [after_id, before_id, limit])
        return [Prepared(_asked(row), row[7]) for row in rows]

    def told_through(self) -> int:
        """Up to which sequence of the stream no notice is missing."""
        [(sequence,)] = self._all("SELECT sequence FROM told_through", [])
        return int(sequence)

    def controls(self) -> list[bytes]:
        """The notices of all controls."""
        return [row[0] for row in self._all("SELECT notice FROM told WHERE request_id IS NULL", [])]

    def recalls(self, after: int, limit: int) -> list[TakenBack]:
        """Behind that number, in order."""
        rows = self._all(_RECALLS, [after, limit])
        return [TakenBack(row[0], row[1], row[2], row[3], _moment(row[4])) for row in rows]

    def undated(self, limit: int) -> list[Entry]:
        """Answers of which it is not known when they expire."""
        return [_entry(row) for row in self._all(_UNDATED, [limit])]

    def expired(self, now: datetime, limit: int) -> list[str]:
        """Request ids of answers that may not be kept any more."""
        query = "SELECT request_id FROM answered WHERE kept_until <= ? LIMIT ?"
        return [row[0] for row in self._all(query, [now.timestamp(), limit])]

    def uncertified(self, limit: int) -> list[Withdrawn]:
        """What is withdrawn, and has no certificate yet."""
        query = "SELECT request_id, cause FROM withdrawn WHERE NOT acked AND ack IS NULL LIMIT ?"
        return [Withdrawn(*row) for row in self._all(query, [limit])]

    def unacknowledged(self, limit: int) -> list[Certified]:
        """Certificates that the stream has not acknowledged."""
        query = "SELECT request_id, ack FROM withdrawn WHERE NOT acked AND ack IS NOT NULL LIMIT ?"
        return [Certified(*row) for row in self._all(query, [limit])]

    def _write_asking(self, changes: Sequence[Change]) -> None:
        many = self._db.executemany
        prepared = [change for change in changes if isinstance(change, Prepared)]
        published = [(c.request_id, c.sequence) for c in changes if isinstance(c, Published)]
        answered = [
            (c.request_id, c.release, c.kept_until and c.kept_until.timestamp(), c.renews)
            for c in changes
            if isinstance(c, Answered)
        ]
        many("INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, prepared))
        many("INSERT INTO outbox VALUES (?)", ((p.asked.request_id,) for p in prepared))
        many("INSERT OR IGNORE INTO published VALUES (?, ?)", published)
        many("DELETE FROM outbox WHERE request_id = ?", ((id_,) for id_, _ in published))
        many(_KEEP, answered)

    def _write_withdrawing(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case Dated(request_id, until):
                    self._do("UPDATE answered SET kept_until = ?2 WHERE request_id = ?1", request_id, until)
                case Told(sequence, notice, request_id, cause, at):
                    values = (sequence, request_id or None, cause, at, notice)
                    self._do("INSERT OR IGNORE INTO told VALUES (NULL, ?, ?, ?, ?, ?)", *values)
                case ToldThrough(sequence):
                    self._do("UPDATE told_through SET sequence = max(sequence, ?)", sequence)
                case Withdrawn(request_id, cause):
                    self._do(_WITHDRAW, request_id, cause)
                    self._do("DELETE FROM answered WHERE request_id = ?", request_id)
                case Certified(request_id, ack):
                    query = "UPDATE withdrawn SET ack = ?2 WHERE request_id = ?1 AND ack IS NULL"
                    self._do(query, request_id, ack)
                case Acknowledged(request_id):
                    self._do("UPDATE withdrawn SET acked = 1 WHERE request_id = ?", request_id)
                case _ if callable(change):
                    change(self._db)

    def _do(self, statement: str, *values: object) -> None:
        self._db.execute(statement, [v.timestamp() if isinstance(v, datetime) else v for v in values])

    def _all(self, query: str, values: Sequence[object]) -> list[Any]:
        return list(self.query(lambda database: database.execute(query, values).fetchall()))


def _row(prepared: Prepared) -> tuple[object, ...]:
    asked = prepared.asked
    return (
        asked.request_id,
        asked.reference,
        asked.key or None,
        asked.fingerprint,
        asked.digest,
        asked.traceparent,
        asked.expires_at.timestamp(),
        prepared.body,
    )


def _entry(row: tuple[Any, ...]) -> Entry:
    unsent, is_published, sequence, release, cause = row[7:]
    return Entry(_asked(row), unsent, Published(row[0], sequence) if is_published else None, release, cause)


def _asked(row: tuple[Any, ...]) -> Asked:
    request_id, reference, key, fingerprint, digest, traceparent, expires_at = row[:7]
    return Asked(request_id, reference, key, fingerprint, digest, traceparent, _moment(expires_at))


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _failed(error: sqlite3.Error) -> GlomarError:
    if isinstance(error, sqlite3.IntegrityError):
        return Retryable("another process asked the same at the same time", where="store", fix="Ask again")
    what = f"the store did not take it ({type(error).__name__})"
    return Retryable(what, where="store", fix="Is the disk full?")
