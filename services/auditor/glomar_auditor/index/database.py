"""The index: a SQLite file of the oversight body. Called by the auditor, which keeps it up, and by commands.

Records go in in the order of the ledger, without a hole. Whatever is wrong with the file, it can be thrown
away: it is made anew from ledger and stream.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from glomar_schemas.errors import Fatal, Misconfigured
from glomar_schemas.subjects import is_request_id
from msgspec import Struct
from msgspec.structs import astuple

from glomar_auditor.index.record import GAP, OTHER, Record

_VERSION = 2
_COLUMNS = Record.__struct_fields__
# A verdict of 4 KB would leave much of a page of the usual 4 KB empty.
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
"""The transaction stays open: a file that names no ledger would be nobody's."""
_REBUILD = "Make it anew with: glomar-auditor rebuild-index"


class Damaged(Fatal):
    """The file is no index, or not whole. Nothing is lost by removing it."""


class Wanted(Struct, frozen=True):
    """Which requests; "" and None: any. Times: ns since the Unix epoch, from `since` up to before `until`."""

    since_ns: int = 0
    until_ns: int = 2**63 - 1
    agency: str = ""
    officer: str = ""
    request_id: str = ""
    trace: str = ""


class Index:
    """One file, open; threads take turns."""

    def __init__(self, path: Path | None, origin: str, *, write: bool = True) -> None:
        """path: made with mode 0600 if need be; None: one that nobody else sees, and that ends with this.

        Raises Damaged; Misconfigured (another ledger's, not there and not to be written, no permission).
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
            with _named(path):
                self._prepare(origin, path, write)
        except (OSError, sqlite3.OperationalError) as error:
            fix = _REBUILD if not write else "Check path and permissions"
            raise Misconfigured(f"the index can't be opened ({error})", where=str(path), fix=fix) from None
        self._path = path

    def close(self) -> None:
        self._db.close()

    @property
    def size(self) -> int:
        """Leaves of the ledger that are in it."""
        with _named(self._path):
            return int(self._db.execute("SELECT coalesce(max(sequence), 0) FROM record").fetchone()[0])

    def add(self, records: Sequence[Record]) -> bool:
        """False, and nothing is added, unless they follow what is there. Raises Damaged, Misconfigured."""
        marks = ", ".join("?" * len(_COLUMNS))
        with _named(self._path), self._transaction():
            if not records or records[0].sequence != self.size + 1:
                return False
            rows = [astuple(record) for record in records]
            self._db.executemany(f"INSERT INTO record VALUES ({marks})", rows)  # noqa: S608
        return True

    def clear(self) -> None:
        """Forgets everything."""
        with _named(self._path), self._transaction():
            self._db.execute("DELETE FROM record")

    def only(self, size: int) -> None:
        """From here on, shows what the ledger held at that size."""
        # A view of the same name hides the table from every query of this connection.
        # A view takes no bound values.
        view = f"CREATE TEMP VIEW record AS SELECT * FROM main.record WHERE sequence <= {size:d}"  # noqa: S608
        self._db.execute(view)

    def records(self, kind: str = "") -> Iterator[Record]:
        """In the order of the ledger; of one kind, or all."""
        where, values = ("WHERE kind = ?", (kind,)) if kind else ("", ())
        with _named(self._path):
            found = self._db.execute(f"SELECT * FROM record {where} ORDER BY sequence", values)  # noqa: S608
            for row in found:
                yield Record(**dict(zip(_COLUMNS, row, strict=True)))

    def record(self, sequence: int) -> Record | None:
        with _named(self._path):
            row = self._db.execute("SELECT * FROM record WHERE sequence = ?", (sequence,)).fetchone()
        return Record(**dict(zip(_COLUMNS, row, strict=True))) if row else None

    def matters(self, wanted: Wanted) -> Iterator[tuple[Record, Record | None]]:
        """Each request with the message in its verdict's slot, in the order of the requests."""
        asked, values = _conditions(wanted)
        query = f"""
            SELECT r.*, v.* FROM record r LEFT JOIN record v
            ON v.kind = 'verdict' AND v.agency = r.agency AND v.token = slot(r.token, r.sequence)
            WHERE {asked} ORDER BY r.sequence"""  # noqa: S608 - texts of ours; values are bound
        middle = len(_COLUMNS)
        with _named(self._path):
            for row in self._db.execute(query, values):
                verdict = dict(zip(_COLUMNS, row[middle:], strict=True)) if row[middle] is not None else None
                request = Record(**dict(zip(_COLUMNS, row[:middle], strict=True)))
                yield request, Record(**verdict) if verdict else None

    def about(self, agency: str, token: str, kind: str) -> Record | None:
        """The message of that kind about one request."""
        with _named(self._path):
            row = self._db.execute(
                "SELECT * FROM record WHERE token = ? AND kind = ? AND agency = ?", (token, kind, agency)
            ).fetchone()
        return Record(**dict(zip(_COLUMNS, row, strict=True))) if row else None

    def faults(self) -> list[tuple[str, str, int]]:
        """(kind, fault, how many) of what does not count: gaps, other subjects, messages with a fault."""
        with _named(self._path):
            return self._db.execute(
                "SELECT kind, fault, count(*) FROM record WHERE fault != '' OR kind IN (?, ?) "
                "GROUP BY kind, fault",
                (GAP, OTHER),
            ).fetchall()

    def _prepare(self, origin: str, path: Path | None, write: bool) -> None:
        self._db.create_function("slot", 2, _slot, deterministic=True)
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
            # Derived: what a power cut takes is read again.
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
    """The file and what SQLite keeps beside it."""
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError):
            each.unlink()


def _slot(token: str, sequence: int) -> str:
    """Where the verdict to a request stands."""
    return token if is_request_id(token) else f"~{sequence}"


def _conditions(wanted: Wanted) -> tuple[str, list[str | int]]:
    asked = ["r.kind = 'request'", "r.time_ns >= ?", "r.time_ns < ?"]
    values: list[str | int] = [wanted.since_ns, wanted.until_ns]
    for column, value in (
        ("agency", wanted.agency),
        ("officer", wanted.officer),
        ("token", wanted.request_id),
        ("trace", wanted.trace),
    ):
        if value:
            asked.append(f"r.{column} = ?")
            values.append(value)
    return " AND ".join(asked), values


@contextmanager
def _named(path: Path | None) -> Iterator[None]:
    """SQLite's errors as ours. Raises Damaged, Misconfigured (no space, locked)."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Misconfigured(f"the index can't be used ({error})", where=str(path)) from None
    except (sqlite3.DatabaseError, IndexError, TypeError) as error:
        what = f"the index is damaged ({type(error).__name__})"
        raise Damaged(what, where=str(path), fix=_REBUILD) from None
