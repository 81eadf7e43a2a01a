"""The register on a PostgreSQL server, for several verifier machines. It has the same keys as the file,
partitioned by ZIP prefix, and is opened for reading only."""

import logging
from collections.abc import Callable

import psycopg
from glomar_schemas.errors import GlomarError, IntegrityError, Retryable, Unreachable
from msgspec import Struct

from glomar_verifier.matching.match import Candidates, Query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.register.integrity import require_unchanged, require_whole
from glomar_verifier.register.lookup import REBUILD, BaseRegister, RegisterMeta, require_usable
from glomar_verifier.register.postgres_rows import (
    PostgresRows,
    connect,
    in_schema,
    label,
    newest_build,
    reading,
)

log = logging.getLogger(__name__)

_POSTINGS = "SELECT ids FROM {schema}.block WHERE zip3 = %s AND key64 = ANY(%s::bigint[])"
_SPELLS = "SELECT fields FROM {schema}.spell WHERE zip3 = %s AND id = ANY(%s::bigint[])"


def zip_prefix(zip5: str) -> int:
    """The partition key of the tables. Every blocking key holds the ZIP code, so a lookup reads one
    partition."""
    return int(zip5[:3])


class _OpenBuild(Struct, frozen=True):
    number: int
    meta: RegisterMeta
    postings: bytes
    spells: bytes


class PostgresRegister(BaseRegister):
    """Open with `open_postgres`."""

    def __init__(self, url: str, rules: Rules) -> None:
        self._url = url
        self._rules = rules
        self._where = label(url)
        with reading(url) as stored:
            self._newest = self._build = _checked(stored, self._where, rules)
        self._newest_seen = self._newest.number
        self._database = connect(url, reading=True)
        super().__init__(self._build.meta, rules)

    def open_replacement(self) -> None:
        """See `LiveRegister`. Uses its own connection, since lookups continue meanwhile."""
        try:
            number = newest_build(self._database, self._where)
            if number != self._newest_seen:
                with reading(self._url, number) as stored:
                    self._newest_seen = number
                    self._newest = _checked(stored, self._where, self._rules)
        except GlomarError as fault:
            if isinstance(fault, Retryable):
                self._newest_seen = self._newest.number
            log.error("a register is not taken up, the old one stays in force", extra={"fault": str(fault)})

    def use_replacement(self) -> None:
        self._build, self._meta = self._newest, self._newest.meta

    def verify(self, progress: Callable[[int, int], None]) -> None:
        """See `LiveRegister`."""
        with reading(self._url, self._build.number) as stored:
            require_unchanged(stored, self._meta, self._where, progress)

    def candidates(self, query: Query) -> Candidates:
        """Raises Retryable if the server does not answer now, IntegrityError if the register is damaged."""
        try:
            return super().candidates(query)
        except Unreachable:
            # The connection may have been lost while it was idle: try once more, so that the request does not
            # wait.
            self._database = connect(self._url, reading=True)
            return super().candidates(query)

    def close(self) -> None:
        self._database.close()

    def _postings(self, keys: list[int], zip5: str) -> list[bytes]:
        return self._column(self._build.postings, zip5, keys)

    def _spells(self, ids: list[int], zip5: str) -> list[bytes]:
        return self._column(self._build.spells, zip5, ids)

    def _column(self, statement: bytes, zip5: str, numbers: list[int]) -> list[bytes]:
        try:
            rows = self._database.execute(statement, (zip_prefix(zip5), numbers), binary=True).fetchall()
        except psycopg.errors.UndefinedTable:
            self.open_replacement()
            self.use_replacement()
            raise Retryable("the register was replaced meanwhile", where=self._where) from None
        except psycopg.errors.DataError as error:
            raise IntegrityError("the register is damaged", where=self._where, fix=REBUILD) from error
        except psycopg.OperationalError:
            raise Unreachable("the PostgreSQL server doesn't answer", where=self._where) from None
        return [value for (value,) in rows]


def _checked(stored: PostgresRows, where: str, rules: Rules) -> _OpenBuild:
    meta = require_usable(stored.description(), where, rules)
    require_whole(stored, meta, where)
    number = stored.number
    return _OpenBuild(number, meta, in_schema(_POSTINGS, number), in_schema(_SPELLS, number))


def open_postgres(url: str, rules: Rules) -> PostgresRegister:
    """Raises Misconfigured (no register there, other rules, no right), IntegrityError, Unreachable."""
    return PostgresRegister(url, rules)
