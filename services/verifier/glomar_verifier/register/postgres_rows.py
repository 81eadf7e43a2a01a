"""Connects to the PostgreSQL server, and reads its registers: the newest build, its description and its rows.

Passwords stay in libpq's own files.
"""

import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from glomar_schemas.errors import IntegrityError, Misconfigured, Retryable, Unreachable
from psycopg import conninfo, sql

from glomar_verifier.register.digests import StoredRow, Table
from glomar_verifier.register.lookup import REBUILD

# The table glomar_register.build has a row for each register; the highest number is in force. The tables of a
# register are in the schema glomar_register_<number>.
_NEWEST = "SELECT number FROM glomar_register.build ORDER BY number DESC LIMIT 1"
_CONTENT = "SELECT content FROM glomar_register.build WHERE number = %s"
_COUNT: dict[Table, LiteralString] = {
    "spell": "SELECT count(*) FROM {schema}.spell",
    "block": "SELECT count(*) FROM {schema}.block",
}
_BETWEEN: dict[Table, LiteralString] = {
    "spell": "SELECT id, fields FROM {schema}.spell WHERE id BETWEEN %s AND %s ORDER BY id",
    "block": "SELECT key64, ids FROM {schema}.block WHERE key64 BETWEEN %s AND %s ORDER BY key64",
}
CONNECT_TIMEOUT_S = 3
# A lookup must not wait for long: the request is delivered again.
_READING = (
    "-c statement_timeout=5000 -c plan_cache_mode=force_generic_plan -c default_transaction_read_only=on"
)
_INSTEAD = "Use a passfile (mode 0600), a service file or peer authentication"


def connect(url: str, *, reading: bool) -> psycopg.Connection:
    """`url`: postgresql://user@host/database, with any parameter of libpq except a password. `reading`: each
    statement is its own transaction and is planned once; else all statements are one transaction.

    Raises Misconfigured (a password in the URL, a passfile that others can read, a server that refuses us)
    or Unreachable.
    """
    where = label(url)
    _require_private_passfile(url, where)
    try:
        return psycopg.connect(
            url,
            autocommit=reading,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=_READING if reading else "",
            prepare_threshold=0 if reading else None,
        )
    except psycopg.OperationalError as error:
        # libpq gives no SQLSTATE. A server that refuses the connection sends FATAL and logs the reason.
        if "FATAL" in str(error):
            raise Misconfigured(
                "the server refuses this user or database", where=where, fix="See the server's log"
            ) from None
        raise Unreachable("no PostgreSQL server answers", where=where, fix="Is it running?") from None


def label(url: str) -> str:
    """The server's name for messages: host and database only, or the service. Raises Misconfigured."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Misconfigured("not a postgresql:// URL", where="register") from None
    if parts.get("password"):
        raise Misconfigured("the URL holds a password", where="register", fix=_INSTEAD)
    if parts.get("service"):
        return f"postgresql service {parts['service']}"
    return f"postgresql://{parts.get('host', '')}/{parts.get('dbname', '')}"


def _require_private_passfile(url: str, where: str) -> None:
    passfile = conninfo.conninfo_to_dict(url).get("passfile")
    if not passfile:
        return
    try:
        mode = Path(str(passfile)).stat().st_mode
    except OSError as error:
        raise Misconfigured(f"its passfile can't be read ({error.strerror})", where=where) from None
    if stat.S_IMODE(mode) & 0o077:
        raise Misconfigured("others can read its passfile", where=where, fix="chmod 600 it")


def in_schema(statement: LiteralString, number: int) -> bytes:
    """The statement, with the schema of this register for `{schema}`."""
    return sql.SQL(statement).format(schema=sql.Identifier(schema_of(number))).as_bytes(None)


def schema_of(number: int) -> str:
    return f"glomar_register_{number}"


def newest_build(database: psycopg.Connection, where: str) -> int:
    """The number of the register in force. Raises Misconfigured if there is none, Unreachable."""
    with _translated_errors(where):
        found = database.execute(_NEWEST).fetchone()
    if found is None:
        raise Misconfigured("holds no register", where=where, fix=REBUILD)
    return int(found[0])


class PostgresRows:
    """The rows of one register, see `integrity.RowSource`. Methods raise as `newest_build`, IntegrityError,
    and Retryable if the register was replaced meanwhile."""

    def __init__(self, database: psycopg.Connection, number: int, where: str) -> None:
        self._database = database
        self.number = number
        self._where = where

    def description(self) -> bytes:
        with _translated_errors(self._where):
            found = self._database.execute(_CONTENT, (self.number,)).fetchone()
        if found is None:
            raise Retryable("the register was replaced meanwhile", where=self._where)
        return bytes(found[0])

    def count(self, table: Table) -> int:
        with _translated_errors(self._where):
            found = self._database.execute(in_schema(_COUNT[table], self.number)).fetchone()
        assert found is not None  # an aggregate has one row
        return int(found[0])

    def between(self, table: Table, first: int, last: int) -> list[StoredRow]:
        statement = in_schema(_BETWEEN[table], self.number)
        with _translated_errors(self._where):
            return self._database.execute(statement, (first, last), binary=True).fetchall()


@contextmanager
def reading(url: str, number: int | None = None) -> Iterator[PostgresRows]:
    """This register, or the newest one, over its own connection without a statement timeout."""
    where = label(url)
    with closing(connect(url, reading=True)) as database:
        database.execute("SET statement_timeout = 0")
        yield PostgresRows(database, newest_build(database, where) if number is None else number, where)


@contextmanager
def _translated_errors(where: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise Misconfigured("holds no register", where=where, fix=REBUILD) from None
    except psycopg.errors.InsufficientPrivilege:
        raise Misconfigured("this user may not read the register", where=where) from None
    except psycopg.errors.DataError as error:
        raise IntegrityError("the register is damaged", where=where, fix=REBUILD) from error
    except psycopg.OperationalError:
        raise Unreachable("the PostgreSQL server went away", where=where) from None
