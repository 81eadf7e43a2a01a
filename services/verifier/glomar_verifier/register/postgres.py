"""The register on a PostgreSQL server, for several verifier machines: same keys, partitioned by ZIP prefix.
The verifier's service and `match` open it; `load` is the only writer, and switches in one transaction."""

import logging
from typing import LiteralString

import psycopg
from glomar_schemas.errors import GlomarError, IntegrityError, Misconfigured, Retryable, Unreachable
from msgspec import Struct
from psycopg import sql

from glomar_verifier.match import Candidates, Query
from glomar_verifier.register.connection import connect, label
from glomar_verifier.register.posted import REBUILD, Meta, Posted, require_usable
from glomar_verifier.rules import Rules

log = logging.getLogger(__name__)

# The schema glomar_register has the table `build`, a row for each register, of which the highest number is in
# force; that register's own tables are in the schema glomar_register_<number>.
_NEWEST = "SELECT number, content FROM glomar_register.build ORDER BY number DESC LIMIT 1"
_LAST_ID = "SELECT coalesce(max(id), 0) FROM {schema}.spell"
_POSTINGS = "SELECT ids FROM {schema}.block WHERE zip3 = %s AND key64 = ANY(%s::bigint[])"
_SPELLS = "SELECT fields FROM {schema}.spell WHERE zip3 = %s AND id = ANY(%s::bigint[])"


def in_schema(statement: LiteralString, number: int) -> bytes:
    """The statement with the schema of that register in the place of `{schema}`."""
    return sql.SQL(statement).format(schema=sql.Identifier(schema_of(number))).as_bytes(None)


def schema_of(number: int) -> str:
    return f"glomar_register_{number}"


def zip_prefix(zip5: str) -> int:
    """What the tables are partitioned by. Every key holds the ZIP, so a lookup reads one partition."""
    return int(zip5[:3])


class _Build(Struct, frozen=True):
    number: int
    meta: Meta
    postings: bytes
    spells: bytes


class PostgresRegister(Posted):
    """Open with `open_postgres`."""

    def __init__(self, url: str, rules: Rules) -> None:
        self._url = url
        self._rules = rules
        self._where = label(url)
        self._database = connect(url, reading=True)
        try:
            self._build = self._newest(None)
        except BaseException:
            self._database.close()
            raise
        super().__init__(self._build.meta, rules.block_cap)

    def refresh(self) -> None:
        """Takes up a register that was loaded since. A bad one is logged, and the old stays in force."""
        try:
            self._put(self._newest(self._build))
        except GlomarError as fault:
            log.error("a register is not taken up, the old one stays in force", extra={"fault": str(fault)})

    def candidates(self, query: Query) -> Candidates:
        """Raises Retryable if the server doesn't answer now, IntegrityError if what it holds is damaged."""
        try:
            return super().candidates(query)
        except Unreachable:
            # A connection that was lost while nobody asked is no reason to let the request wait.
            self._database = connect(self._url, reading=True)
            return super().candidates(query)

    def close(self) -> None:
        self._database.close()

    def _put(self, build: _Build) -> None:
        self._build, self._meta = build, build.meta

    def _newest(self, known: _Build | None) -> _Build:
        try:
            found = self._database.execute(_NEWEST).fetchone()
            if known and found and found[0] == known.number:
                return known
            if found is None:
                raise Misconfigured("holds no register", where=self._where, fix=REBUILD)
            number, content = found
            last = self._database.execute(in_schema(_LAST_ID, number)).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            raise Misconfigured("holds no register", where=self._where, fix=REBUILD) from None
        except psycopg.errors.InsufficientPrivilege:
            raise Misconfigured("this user may not read the register", where=self._where) from None
        except psycopg.OperationalError:
            raise Unreachable("the PostgreSQL server went away", where=self._where) from None
        assert last is not None  # an aggregate has one row
        return _Build(
            number,
            require_usable(content, last[0], self._where, self._rules),
            in_schema(_POSTINGS, number),
            in_schema(_SPELLS, number),
        )

    def _postings(self, keys: list[int], zip5: str) -> list[bytes]:
        return self._column(self._build.postings, zip5, keys)

    def _spells(self, ids: list[int], zip5: str) -> list[bytes]:
        return self._column(self._build.spells, zip5, ids)

    def _column(self, statement: bytes, zip5: str, numbers: list[int]) -> list[bytes]:
        try:
            rows = self._database.execute(statement, (zip_prefix(zip5), numbers), binary=True).fetchall()
        except psycopg.errors.UndefinedTable:
            self.refresh()
            raise Retryable("the register was replaced meanwhile", where=self._where) from None
        except psycopg.errors.DataError as error:
            raise IntegrityError("the register is damaged", where=self._where, fix=REBUILD) from error
        except psycopg.OperationalError:
            raise Unreachable("the PostgreSQL server doesn't answer", where=self._where) from None
        return [value for (value,) in rows]


def open_postgres(url: str, rules: Rules) -> PostgresRegister:
    """Raises Misconfigured (no register there, other rules, no right), IntegrityError, Unreachable."""
    return PostgresRegister(url, rules)
