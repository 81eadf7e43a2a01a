"""The index as a SQLite file of the oversight body.

Records are added in the order of the ledger, without gaps. The file can always be removed: it is rebuilt from
ledger and stream.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from glomar_schemas.errors import Fatal, Misconfigured
from glomar_schemas.subjects import verdict_token
from msgspec import Struct
from msgspec.structs import astuple

from glomar_auditor.index.record import GAP, OTHER, IndexRecord

_VERSION = 2
_COLUMNS = IndexRecord.__struct_fields__
# Verdicts of 4 KB would waste much of SQLite's default pages of 4 KB.
_SCHEMA = f"""
PRAGMA page_size = 16384;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS ledger (origin TEXT);
CREATE TABLE IF NOT EXISTS record (
    sequence INTEGER PRIMARY KEY, time_ns INTEGER, kind TEXT, agency TEXT, token TEXT,
    trace TEXT, fault TEXT, officer TEXT, unit TEXT, authorised_by TEXT, jurisdiction TEXT, ground TEXT,
    statute TEXT, intended_use TEXT, cause TEXT, body BLOB
);
CREATE INDEX IF NOT EXISTS record_by_slot ON record (token, kind);
CREATE INDEX IF NOT EXISTS record_by_trace ON record (trace) WHERE trace != '';
PRAGMA user_version = {_VERSION};
"""
"""The transaction stays open until the ledger is named: a file must never exist without its ledger's name."""
_REBUILD = "Rebuild it with: glomar-auditor rebuild-index"


class Damaged(Fatal):
    """The file is no index, or is incomplete. Removing it loses nothing."""


class RequestFilter(Struct, frozen=True):
    """Which requests; "": any. Times: ns since the Unix epoch, since_ns included, until_ns excluded."""

    since_ns: int = 0
    until_ns: int = 2**63 - 1
    agency: str = ""
    officer: str = ""
    request_id: str = ""
    trace: str = ""


class Index:
    """One open file. Not for two threads at the same time."""

    def __init__(self, path: Path | None, origin: str, *, write: bool = True) -> None:
        """path: created with mode 0600 if it is missing and `write`; None: a private temporary file.

        Raises Damaged; Misconfigured (of another ledger, missing and not `write`, no permission).
        """
        try:
            if path is None:
                self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            else:
                if write:
                    path.touch(mode=0o600)
                mode = "rw" if write else "ro"
                uri = f"{path.resolve().as_uri()}?mode={mode}"
                self._db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            with _errors_of(path):
                self._prepare(origin, path, write)
        except (OSError, sqlite3.OperationalError) as error:
            fix = _REBUILD if not write else "Check path and permissions"
            raise Misconfigured(f"the index can't be opened ({error})", where=str(path), fix=fix) from None
        self._path = path

    def close(self) -> None:
        self._db.close()

    @property
    def size(self) -> int:
        """How many leaves of the ledger it has."""
        with _errors_of(self._path):
            return int(self._db.execute("SELECT coalesce(max(sequence), 0) FROM record").fetchone()[0])

    def add(self, records: Sequence[IndexRecord]) -> bool:
        """False, and adds nothing, unless they come next in the ledger. Raises Damaged, Misconfigured."""
        marks = ", ".join("?" * len(_COLUMNS))
        with _errors_of(self._path), self._transaction():
            if not records or records[0].sequence != self.size + 1:
                return False
            rows = [astuple(record) for record in records]
            self._db.executemany(f"INSERT INTO record VALUES ({marks})", rows)  # noqa: S608
        return True

    def clear(self) -> None:
        """Deletes all records."""
        with _errors_of(self._path), self._transaction():
            self._db.execute("DELETE FROM record")

    def limit_to(self, size: int) -> None:
        """From now on, shows only the first `size` entries of the ledger."""
        # A temporary view of the same name hides the table. A view takes no bound values.
        view = f"CREATE TEMP VIEW record AS SELECT * FROM main.record WHERE sequence <= {size:d}"  # noqa: S608
        self._db.execute(view)

    def records(self, kind: str = "") -> Iterator[IndexRecord]:
        """In the order of the ledger; of one kind, or all."""
        where, values = ("WHERE kind = ?", (kind,)) if kind else ("", ())
        with _errors_of(self._path):
            found = self._db.execute(f"SELECT * FROM record {where} ORDER BY sequence", values)  # noqa: S608
            for row in found:
                yield _record(row)

    def record(self, sequence: int) -> IndexRecord | None:
        with _errors_of(self._path):
            row = self._db.execute("SELECT * FROM record WHERE sequence = ?", (sequence,)).fetchone()
        return _record(row) if row else None

    def requests(self, wanted: RequestFilter) -> Iterator[tuple[IndexRecord, IndexRecord | None]]:
        """Each request with the message under its verdict's subject, in the order of the requests."""
        where, values = _conditions(wanted)
        query = f"""
            SELECT r.*, v.* FROM record r LEFT JOIN record v
            ON v.kind = 'verdict' AND v.agency = r.agency AND v.token = verdict_token(r.token, r.sequence)
            WHERE {where} ORDER BY r.sequence"""  # noqa: S608 - no text from outside; values are bound
        middle = len(_COLUMNS)
        with _errors_of(self._path):
            for row in self._db.execute(query, values):
                yield _record(row[:middle]), _record(row[middle:]) if row[middle] is not None else None

    def message_about(self, agency: str, token: str, kind: str) -> IndexRecord | None:
        """The message of that kind about one request."""
        with _errors_of(self._path):
            row = self._db.execute(
                "SELECT * FROM record WHERE token = ? AND kind = ? AND agency = ?", (token, kind, agency)
            ).fetchone()
        return _record(row) if row else None

    def faults(self) -> list[tuple[str, str, int]]:
        """(kind, fault, how many) of what does not count: gaps, other subjects, messages with a fault."""
        with _errors_of(self._path):
            return self._db.execute(
                "SELECT kind, fault, count(*) FROM record WHERE fault != '' OR kind IN (?, ?) "
                "GROUP BY kind, fault",
                (GAP, OTHER),
            ).fetchall()

    def _prepare(self, origin: str, path: Path | None, write: bool) -> None:
        self._db.create_function("verdict_token", 2, verdict_token, deterministic=True)
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if write and version == 0:
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT INTO ledger VALUES (?)", (origin,))
            self._db.execute("COMMIT")
        elif version != _VERSION:
            raise Damaged("an index of another version", where=str(path), fix=_REBUILD)
        found = self._db.execute("SELECT origin FROM ledger").fetchone()
        if found != (origin,):
            self._db.close()
            raise Misconfigured(
                "this is the index of another ledger", where=str(path), fix="Remove it, or name another file"
            )
        if write:
            # The file is derived: what a power cut loses is read again.
            self._db.executescript(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 2500;"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def remove(path: Path) -> None:
    """Removes the file and SQLite's files beside it."""
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError):
            each.unlink()


def _record(row: Sequence[Any]) -> IndexRecord:
    return IndexRecord(**dict(zip(_COLUMNS, row, strict=True)))


def _conditions(wanted: RequestFilter) -> tuple[str, list[str | int]]:
    conditions = ["r.kind = 'request'", "r.time_ns >= ?", "r.time_ns < ?"]
    values: list[str | int] = [wanted.since_ns, wanted.until_ns]
    for column, value in (
        ("agency", wanted.agency),
        ("officer", wanted.officer),
        ("token", wanted.request_id),
        ("trace", wanted.trace),
    ):
        if value:
            conditions.append(f"r.{column} = ?")
            values.append(value)
    return " AND ".join(conditions), values


@contextmanager
def _errors_of(path: Path | None) -> Iterator[None]:
    """Turns SQLite's errors into Damaged and Misconfigured (no space, locked)."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Misconfigured(f"the index can't be used ({error})", where=str(path)) from None
    except (sqlite3.DatabaseError, IndexError, TypeError) as error:
        what = f"the index is damaged ({type(error).__name__})"
        raise Damaged(what, where=str(path), fix=_REBUILD) from None
