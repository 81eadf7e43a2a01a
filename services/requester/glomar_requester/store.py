"""The agency's outbox and inbox: what was asked, what the stream has, what was answered. One SQLite file.

A body is here before it is first published, so that after a crash the same bytes are sent again. Rows are
only ever added, but for the outbox, which holds what the stream has not acknowledged. Called by `Commits`.
"""

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glomar_schemas.errors import GlomarError, Misconfigured, Retryable
from msgspec import Struct

from glomar_requester.ask import Asked, Prepared

_VERSION = 1
_BUSY_MS = 10_000

# FULL: what is told to be durable is. A checkpoint writes pages all over the file and syncs it, so it comes
# once in 40 MB of log and not, as by default, in 4.
_DURABILITY = (
    f"busy_timeout = {_BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 10000",
)
_SCHEMA = """
CREATE TABLE asked (
  request_id TEXT PRIMARY KEY,
  reference TEXT NOT NULL,
  key TEXT UNIQUE,
  fingerprint BLOB NOT NULL,
  digest TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  expires_at REAL NOT NULL,
  body BLOB NOT NULL
);
CREATE TABLE outbox (request_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE published (request_id TEXT PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;
CREATE TABLE answered (request_id TEXT PRIMARY KEY, release BLOB NOT NULL);
PRAGMA user_version = 1;
"""
_UNFINISHED = """
SELECT asked.request_id, reference, coalesce(key, ''), fingerprint, digest, traceparent, expires_at, body
FROM outbox JOIN asked USING (request_id)
WHERE outbox.request_id > ? AND outbox.request_id < ? ORDER BY outbox.request_id LIMIT ?
"""
_ENTRY = """
SELECT asked.request_id, reference, coalesce(key, ''), fingerprint, digest, traceparent, expires_at,
  iif(outbox.request_id IS NULL, NULL, body), published.request_id IS NOT NULL, sequence, release
FROM asked LEFT JOIN outbox USING (request_id) LEFT JOIN published USING (request_id)
  LEFT JOIN answered USING (request_id)
"""
_BY_ID = _ENTRY + " WHERE asked.request_id = ?"
_BY_KEYS = _ENTRY + " WHERE key IN (SELECT value FROM json_each(?))"  # noqa: S608 - two constants


class Published(Struct, frozen=True):
    """sequence: in the stream; None when the stream holds other bytes under this id (a conflict)."""

    request_id: str
    sequence: int | None


class Answered(Struct, frozen=True):
    """release: the verified release, locked by the vault."""

    request_id: str
    release: bytes


Change = Prepared | Published | Answered


class Entry(Struct, frozen=True):
    """All that is known of one request; `unsent` is its body until the stream has acknowledged it."""

    asked: Asked
    unsent: bytes | None = None
    published: Published | None = None
    release: bytes | None = None


class Store:
    """Synchronous; used by one thread at a time. Other processes may use the same file."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file, readable by its owner alone. Raises Misconfigured."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._set_up(path)
        except (OSError, sqlite3.Error) as error:
            raise Misconfigured(f"can't be opened ({error})", where=str(path)) from None

    def close(self) -> None:
        self._db.close()

    def write(self, changes: Sequence[Change]) -> None:
        """All changes in one transaction, durable when this returns. Raises Retryable: nothing is written."""
        prepared = [change for change in changes if isinstance(change, Prepared)]
        published = [(c.request_id, c.sequence) for c in changes if isinstance(c, Published)]
        answered = [(c.request_id, c.release) for c in changes if isinstance(c, Answered)]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            many = self._db.executemany
            many("INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, prepared))
            many("INSERT INTO outbox VALUES (?)", ((p.asked.request_id,) for p in prepared))
            many("INSERT OR IGNORE INTO published VALUES (?, ?)", published)
            many("DELETE FROM outbox WHERE request_id = ?", ((id_,) for id_, _ in published))
            many("INSERT OR IGNORE INTO answered VALUES (?, ?)", answered)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise _failed(error) from None

    def find(self, request_id: str) -> Entry | None:
        found = self._all(_BY_ID, [request_id])
        return _entry(found[0]) if found else None

    def by_keys(self, keys: Sequence[str]) -> dict[str, Entry]:
        """key -> what was asked under it; keys that were never used are left out."""
        entries = [_entry(row) for row in self._all(_BY_KEYS, [json.dumps(keys)])]
        return {entry.asked.key: entry for entry in entries}

    def unfinished(self, after_id: str, before_id: str, limit: int) -> list[Prepared]:
        """What the stream has not acknowledged, oldest first: ids begin with their time."""
        rows = self._all(_UNFINISHED, [after_id, before_id, limit])
        return [Prepared(_asked(row), row[7]) for row in rows]

    def _all(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            with closing(self._db.execute(query, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise _failed(error) from None

    def _set_up(self, path: Path) -> None:
        for pragma in _DURABILITY:
            self._db.execute(f"PRAGMA {pragma}")
        # Two processes may create the file at the same time: the first to hold the lock does.
        self._db.execute("BEGIN IMMEDIATE")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";\n"):
                self._db.execute(statement)
        self._db.execute("COMMIT")
        if version not in (0, _VERSION):
            raise Misconfigured("written by another version of this program", where=str(path))


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
    unsent, is_published, sequence, release = row[7:]
    return Entry(_asked(row), unsent, Published(row[0], sequence) if is_published else None, release)


def _asked(row: tuple[Any, ...]) -> Asked:
    request_id, reference, key, fingerprint, digest, traceparent, expires_at = row[:7]
    expires = datetime.fromtimestamp(expires_at, UTC)
    return Asked(request_id, reference, key, fingerprint, digest, traceparent, expires)


def _failed(error: sqlite3.Error) -> GlomarError:
    if isinstance(error, sqlite3.IntegrityError):
        return Retryable("another process asked the same at the same time", where="store", fix="Ask again")
    fault = type(error).__name__
    return Retryable(f"the store did not take it ({fault})", where="store", fix="Is the disk full?")
