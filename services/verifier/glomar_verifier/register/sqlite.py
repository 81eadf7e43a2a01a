"""The register in one SQLite file, opened read-only. Any number of processes may have it open; the file is
never changed, only replaced."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from glomar_schemas.errors import IntegrityError, Misconfigured

from glomar_verifier.matching.rules import Rules
from glomar_verifier.register.digests import StoredRow, Table
from glomar_verifier.register.integrity import require_unchanged, require_whole
from glomar_verifier.register.lookup import REBUILD, BaseRegister, RegisterMeta, damaged, require_usable

APPLICATION_ID = 0x474C4D52  # "GLMR"

# `fields` is a RegisterRecord in msgpack, `ids` are ids of spells, four bytes each. A lookup reads block,
# then spell.
SCHEMA = f"""
PRAGMA page_size = 16384;
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE spell (id INTEGER PRIMARY KEY, fields BLOB NOT NULL);
CREATE TABLE block (key64 INTEGER PRIMARY KEY, ids BLOB NOT NULL);
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), content BLOB NOT NULL);
"""

_POSTINGS = "SELECT ids FROM block WHERE key64 IN ({marks})"
_SPELLS = "SELECT fields FROM spell WHERE id IN ({marks})"
_COUNT = {"spell": "SELECT count(*) FROM spell", "block": "SELECT count(*) FROM block"}
_BETWEEN = {
    "spell": "SELECT id, fields FROM spell WHERE id BETWEEN ? AND ? ORDER BY id",
    "block": "SELECT key64, ids FROM block WHERE key64 BETWEEN ? AND ? ORDER BY key64",
}
_CACHE = "PRAGMA cache_size = -32768"  # kB: the inner pages of both trees


class SqliteRegister(BaseRegister):
    """One register file; `open.RegisterFile` follows its replacement. Open it with `open_register`."""

    def __init__(self, database: sqlite3.Connection, meta: RegisterMeta, rules: Rules, where: str) -> None:
        """Raises IntegrityError (see `integrity.require_whole`)."""
        super().__init__(meta, rules)
        self._database = database
        self._where = where
        require_whole(self, meta, where)

    def verify(self, progress: Callable[[int, int], None]) -> None:
        """See `LiveRegister`."""
        require_unchanged(self, self._meta, self._where, progress)

    def count(self, table: Table) -> int:
        try:
            (rows,) = self._database.execute(_COUNT[table]).fetchone()
        except sqlite3.DatabaseError as error:
            raise damaged() from error
        return int(rows)

    def between(self, table: Table, first: int, last: int) -> list[StoredRow]:
        try:
            return rows_between(self._database, table, first, last)
        except sqlite3.DatabaseError as error:
            raise damaged() from error

    def close(self) -> None:
        self._database.close()

    def _postings(self, keys: list[int], zip5: str) -> list[bytes]:
        return self._column(_POSTINGS, keys)

    def _spells(self, ids: list[int], zip5: str) -> list[bytes]:
        return self._column(_SPELLS, ids)

    def _column(self, sql: str, numbers: list[int]) -> list[bytes]:
        try:
            statement = sql.format(marks=",".join("?" * len(numbers)))
            return [value for (value,) in self._database.execute(statement, numbers)]
        except sqlite3.DatabaseError as error:
            raise damaged() from error


def open_register(path: Path, rules: Rules) -> SqliteRegister:
    """Checks that the file is a complete register that was built with these rules: all rows are counted, and
    the digests of some sections are compared.

    Raises Misconfigured (absent, not a register, other rules) or IntegrityError (truncated, damaged).
    """
    _check_header(path)
    # immutable, so no locks: a finished register is never written to, a new build replaces the file.
    database = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
    )
    try:
        database.execute(_CACHE)
        return SqliteRegister(database, _checked_meta(database, path, rules), rules, str(path))
    except BaseException:
        database.close()
        raise


def rows_between(database: sqlite3.Connection, table: Table, first: int, last: int) -> list[StoredRow]:
    """The rows from `first` to `last`, both included, in ascending order."""
    return database.execute(_BETWEEN[table], (first, last)).fetchall()


def _check_header(path: Path) -> None:
    """Compares the size in the header (SQLite file format, section 1.3) with the size of the file."""
    try:
        with path.open("rb") as file:
            header, size = file.read(100), path.stat().st_size
    except OSError as error:
        raise Misconfigured("no readable register", where=str(path), fix=REBUILD) from error
    if len(header) < 100 or header[:16] != b"SQLite format 3\0":
        raise Misconfigured("not a register file", where=str(path), fix=REBUILD)
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise Misconfigured("a SQLite file, but not a register", where=str(path), fix=REBUILD)
    page_bytes = int.from_bytes(header[16:18], "big")
    if int.from_bytes(header[28:32], "big") * (65_536 if page_bytes == 1 else page_bytes) != size:
        raise IntegrityError("the register is truncated", where=str(path), fix=REBUILD)


def _checked_meta(database: sqlite3.Connection, path: Path, rules: Rules) -> RegisterMeta:
    try:
        (content,) = database.execute("SELECT content FROM meta").fetchone()
    except (sqlite3.DatabaseError, TypeError) as error:
        raise IntegrityError("the register is damaged", where=str(path), fix=REBUILD) from error
    if not isinstance(content, bytes):
        raise IntegrityError("the register is damaged", where=str(path), fix=REBUILD)
    return require_usable(content, str(path), rules)
