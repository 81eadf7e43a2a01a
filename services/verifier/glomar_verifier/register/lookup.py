"""The lookup that every register shares: keys -> postings (ids) -> spells -> records.
`sqlite` and `postgres` say only where the two tables are."""

from abc import ABC, abstractmethod
from itertools import chain

import msgspec
from glomar_schemas.errors import IntegrityError, Misconfigured

from glomar_verifier.matching.blocking import block_keys
from glomar_verifier.matching.match import Candidates, Query, Record
from glomar_verifier.matching.rules import Rules
from glomar_verifier.register import RegisterInfo
from glomar_verifier.register.digests import Section, Table, root
from glomar_verifier.register.index_entries import ids_of, is_full

FORMAT = 3
SPELLS_OF_ALL_YEARS = 4
"""So many times the block cap may share the keys of a query before the years are looked at."""
REBUILD = "Build it again: glomar-verifier register build"


class Meta(msgspec.Struct, frozen=True):
    """The register's only row about itself; `secret` keys its block hashes and is random for each build.
    `postings` is how many rows block has; `spell` and `block` are the tables' digests."""

    format: int
    info: RegisterInfo
    secret: bytes
    postings: int
    spell: tuple[Section, ...]
    block: tuple[Section, ...]

    def rows(self, table: Table) -> int:
        return self.info.spells if table == "spell" else self.postings

    def sections(self, table: Table) -> tuple[Section, ...]:
        return self.spell if table == "spell" else self.block


class Posted(ABC):
    """See `Register`."""

    def __init__(self, meta: Meta, block_cap: int) -> None:
        self._meta = meta
        self._block_cap = block_cap
        self._decoder = msgspec.msgpack.Decoder(Record)

    def candidates(self, query: Query) -> Candidates:
        """Raises IntegrityError if what is stored can't be read."""
        if not query.tax_periods:
            return Candidates(())
        zip5 = query.address.zip5
        keys = block_keys(query.name, query.address, query.date_of_birth, self._meta.secret)
        postings = self._postings(list(keys), zip5)
        ids = sorted(set(chain.from_iterable(map(ids_of, postings))))
        if len(ids) > SPELLS_OF_ALL_YEARS * self._block_cap or any(map(is_full, postings)):
            return Candidates((), complete=False)
        try:
            spells = [self._decoder.decode(fields) for fields in self._spells(ids, zip5)] if ids else []
        except msgspec.MsgspecError as error:
            raise damaged() from error
        first, last = min(query.tax_periods), max(query.tax_periods)
        records = tuple([each for each in spells if each.from_year <= last and each.to_year >= first])
        return Candidates(records[: self._block_cap], complete=len(records) <= self._block_cap)

    def info(self) -> RegisterInfo:
        return self._meta.info

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _postings(self, keys: list[int], zip5: str) -> list[bytes]:
        """The postings of those keys that the register has."""

    @abstractmethod
    def _spells(self, ids: list[int], zip5: str) -> list[bytes]:
        """`fields` of these spells."""


def damaged() -> IntegrityError:
    return IntegrityError("the register is damaged", where="block or spell", fix=REBUILD)


def require_usable(content: bytes, where: str, rules: Rules) -> Meta:
    """The register's description, if it is ours, whole in itself and built with these rules.

    Raises Misconfigured (another format or other rules) or IntegrityError.
    """
    try:
        meta = msgspec.msgpack.decode(content, type=Meta)
    except msgspec.MsgspecError as error:
        raise IntegrityError("the register is damaged", where=where, fix=REBUILD) from error
    if meta.format != FORMAT:
        raise Misconfigured("a register of another format", where=where, fix=REBUILD)
    if root(meta.spell) != meta.info.digest:
        raise IntegrityError("the register is damaged", where=where, fix=REBUILD)
    if (meta.info.rules_version, meta.info.rules_digest) != (rules.version, rules.digest):
        raise Misconfigured("built with other rules than this verifier's", where=where, fix=REBUILD)
    return meta
