"""The register on a PostgreSQL server, for several verifier machines: same keys, partitioned by ZIP prefix.
The verifier's service and `match` open it; `load` is the only writer, and switches in one transaction."""

import logging
from collections.abc import Callable

import psycopg
from glomar_schemas.errors import GlomarError, IntegrityError, Retryable, Unreachable
from msgspec import Struct

from glomar_verifier.matching.match import Candidates, Query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.register.integrity import require_unchanged, require_whole
from glomar_verifier.register.lookup import REBUILD, Meta, Posted, require_usable
from glomar_verifier.register.postgres_connection import connect, label
from glomar_verifier.register.postgres_rows import Stored, in_schema, newest, reading

log = logging.getLogger(__name__)

_POSTINGS = "SELECT ids FROM {schema}.block WHERE zip3 = %s AND key64 = ANY(%s::bigint[])"
_SPELLS = "SELECT fields FROM {schema}.spell WHERE zip3 = %s AND id = ANY(%s::bigint[])"


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
        with reading(url) as stored:
            self._newest = self._build = _checked(stored, self._where, rules)
        self._looked_at = self._newest.number
        self._database = connect(url, reading=True)
        super().__init__(self._build.meta, rules.block_cap)

    def look(self) -> None:
        """See `LiveRegister`. Over a connection of its own, since lookups go on meanwhile."""
        try:
            number = newest(self._database, self._where)
            if number != self._looked_at:
                with reading(self._url, number) as stored:
                    self._looked_at = number
                    self._newest = _checked(stored, self._where, self._rules)
        except GlomarError as fault:
            if isinstance(fault, Retryable):
                self._looked_at = self._newest.number
            log.error("a register is not taken up, the old one stays in force", extra={"fault": str(fault)})

    def refresh(self) -> None:
        self._build, self._meta = self._newest, self._newest.meta

    def verify(self, progress: Callable[[int, int], None]) -> None:
        """See `LiveRegister`."""
        with reading(self._url, self._build.number) as stored:
            require_unchanged(stored, self._meta, self._where, progress)

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

    def _postings(self, keys: list[int], zip5: str) -> list[bytes]:
        return self._column(self._build.postings, zip5, keys)

    def _spells(self, ids: list[int], zip5: str) -> list[bytes]:
        return self._column(self._build.spells, zip5, ids)

    def _column(self, statement: bytes, zip5: str, numbers: list[int]) -> list[bytes]:
        try:
            rows = self._database.execute(statement, (zip_prefix(zip5), numbers), binary=True).fetchall()
        except psycopg.errors.UndefinedTable:
            self.look()
            self.refresh()
            raise Retryable("the register was replaced meanwhile", where=self._where) from None
        except psycopg.errors.DataError as error:
            raise IntegrityError("the register is damaged", where=self._where, fix=REBUILD) from error
        except psycopg.OperationalError:
            raise Unreachable("the PostgreSQL server doesn't answer", where=self._where) from None
        return [value for (value,) in rows]


def _checked(stored: Stored, where: str, rules: Rules) -> _Build:
    meta = require_usable(stored.description(), where, rules)
    require_whole(stored, meta, where)
    number = stored.number
    return _Build(number, meta, in_schema(_POSTINGS, number), in_schema(_SPELLS, number))


def open_postgres(url: str, rules: Rules) -> PostgresRegister:
    """Raises Misconfigured (no register there, other rules, no right), IntegrityError, Unreachable."""
    return PostgresRegister(url, rules)
