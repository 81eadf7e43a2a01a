"""Reads the registers on a PostgreSQL server: the newest build, its description and its rows."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import LiteralString

import psycopg
from glomar_schemas.errors import IntegrityError, Misconfigured, Retryable, Unreachable
from psycopg import sql

from glomar_verifier.register.digests import StoredRow, Table
from glomar_verifier.register.lookup import REBUILD
from glomar_verifier.register.postgres_connection import connect, label

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
