"""The agency's requests and answers in one SQLite file.

A body is stored before it is first published, so that after a crash the same bytes are sent again. Rows are
only added, with two exceptions: the outbox holds what the stream has not acknowledged, and recalled and
expired answers are deleted.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from glomar_schemas.errors import GlomarError, Retryable
from glomar_schemas.tlog.inclusion_tables import Database

from glomar_requester.ask import Prepared, RequestRecord
from glomar_requester.store.records import (
    Acknowledged,
    Answered,
    Certified,
    Change,
    ExpirySet,
    Notified,
    NotifiedThrough,
    Published,
    RecalledAnswer,
    StoredRequest,
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
_SAVE_ANSWER = """
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
            self._write_requests(changes)
            self._write_retention(changes)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise _failed(error) from None

    def scrub(self) -> None:
        """Overwrites deleted rows in the file itself and empties the write-ahead log, which still holds them.

        Raises Retryable while another process reads.
        """
        [(busy, _, _)] = self._all("PRAGMA wal_checkpoint(TRUNCATE)", [])
        if busy:
            raise Retryable(
                "another process is reading the store", where="store", fix="It is tried again by itself"
            )

    def query(self, query: Callable[[Database], T]) -> T:
        """Raises Retryable."""
        try:
            return query(self._db)
        except sqlite3.Error as error:
            raise _failed(error) from None

    def find(self, request_id: str) -> StoredRequest | None:
        found = self._all(_BY_ID, [request_id])
        return _entry(found[0]) if found else None

    def by_keys(self, keys: Sequence[str]) -> dict[str, StoredRequest]:
        """key -> the request under it; keys that were never used are left out."""
        return {entry.request.key: entry for entry in map(_entry, self._all(_BY_KEYS, [json.dumps(keys)]))}

    def unfinished(self, after_id: str, before_id: str, limit: int) -> list[Prepared]:
        """What the stream has not acknowledged, oldest first (ids begin with their time)."""
        rows = self._all(_UNFINISHED, [after_id, before_id, limit])
        return [Prepared(_record(row), row[7]) for row in rows]

    def notified_through(self) -> int:
        """Up to which sequence of the stream no notice is missing."""
        [(sequence,)] = self._all("SELECT sequence FROM told_through", [])
        return int(sequence)

    def controls(self) -> list[bytes]:
        """The notices of all controls."""
        return [row[0] for row in self._all("SELECT notice FROM told WHERE request_id IS NULL", [])]

    def recalls(self, after: int, limit: int) -> list[RecalledAnswer]:
        """Those after that number, in order."""
        rows = self._all(_RECALLS, [after, limit])
        return [RecalledAnswer(row[0], row[1], row[2], row[3], _moment(row[4])) for row in rows]

    def without_expiry(self, limit: int) -> list[StoredRequest]:
        """Answers whose expiry is not known."""
        return [_entry(row) for row in self._all(_UNDATED, [limit])]

    def expired(self, now: datetime, limit: int) -> list[str]:
        """Request ids of answers that must be destroyed."""
        query = "SELECT request_id FROM answered WHERE kept_until <= ? LIMIT ?"
        return [row[0] for row in self._all(query, [now.timestamp(), limit])]

    def uncertified(self, limit: int) -> list[Withdrawn]:
        """Withdrawn answers without a certificate of destruction."""
        query = "SELECT request_id, cause FROM withdrawn WHERE NOT acked AND ack IS NULL LIMIT ?"
        return [Withdrawn(*row) for row in self._all(query, [limit])]

    def unacknowledged(self, limit: int) -> list[Certified]:
        """Certificates that the stream has not acknowledged."""
        query = "SELECT request_id, ack FROM withdrawn WHERE NOT acked AND ack IS NOT NULL LIMIT ?"
        return [Certified(*row) for row in self._all(query, [limit])]

    def _write_requests(self, changes: Sequence[Change]) -> None:
        many = self._db.executemany
        prepared = [change for change in changes if isinstance(change, Prepared)]
        published = [(c.request_id, c.sequence) for c in changes if isinstance(c, Published)]
        answered = [
            (c.request_id, c.release, c.retain_until and c.retain_until.timestamp(), c.renews)
            for c in changes
            if isinstance(c, Answered)
        ]
        many("INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, prepared))
        many("INSERT INTO outbox VALUES (?)", ((p.request.request_id,) for p in prepared))
        many("INSERT OR IGNORE INTO published VALUES (?, ?)", published)
        many("DELETE FROM outbox WHERE request_id = ?", ((id_,) for id_, _ in published))
        many(_SAVE_ANSWER, answered)

    def _write_retention(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case ExpirySet(request_id, until):
                    self._do("UPDATE answered SET kept_until = ?2 WHERE request_id = ?1", request_id, until)
                case Notified(sequence, notice, request_id, cause, at):
                    values = (sequence, request_id or None, cause, at, notice)
                    self._do("INSERT OR IGNORE INTO told VALUES (NULL, ?, ?, ?, ?, ?)", *values)
                case NotifiedThrough(sequence):
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
    request = prepared.request
    return (
        request.request_id,
        request.reference,
        request.key or None,
        request.fingerprint,
        request.digest,
        request.traceparent,
        request.expires_at.timestamp(),
        prepared.body,
    )


def _entry(row: tuple[Any, ...]) -> StoredRequest:
    unsent, is_published, sequence, release, cause = row[7:]
    return StoredRequest(
        _record(row), unsent, Published(row[0], sequence) if is_published else None, release, cause
    )


def _record(row: tuple[Any, ...]) -> RequestRecord:
    request_id, reference, key, fingerprint, digest, traceparent, expires_at = row[:7]
    return RequestRecord(request_id, reference, key, fingerprint, digest, traceparent, _moment(expires_at))


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _failed(error: sqlite3.Error) -> GlomarError:
    if isinstance(error, sqlite3.IntegrityError):
        return Retryable(
            "another process stored the same request at the same time", where="store", fix="Ask again"
        )
    what = f"the store cannot be written or read ({type(error).__name__})"
    return Retryable(what, where="store", fix="Is the disk full?")
