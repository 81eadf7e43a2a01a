"""The lookup that all registers share: keys -> postings (ids) -> spells -> records. `sqlite` and `postgres`
implement reading the two tables."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import date
from itertools import chain

import msgspec
from glomar_schemas.errors import IntegrityError, Misconfigured

from glomar_verifier.matching.blocking import block_keys, street_key
from glomar_verifier.matching.match import Candidates, Query, RegisterRecord
from glomar_verifier.matching.places import doubtful_names
from glomar_verifier.matching.rules import Rules
from glomar_verifier.register import RegisterInfo
from glomar_verifier.register.digests import SectionDigest, Table, root
from glomar_verifier.register.index_entries import ids_of, is_full

FORMAT = 4
SPELLS_OF_ALL_YEARS = 4
"""At most so many times the block cap of spells may share the keys of a query, of all years."""
REBUILD = "Build it again: glomar-verifier register build"


class RegisterMeta(msgspec.Struct, frozen=True):
    """The description of a register, one row of it. `secret` keys its block hashes and is random for each
    build; `postings` is the number of rows in the table block; `spell` and `block` are the digests of the
    tables; `shared_births` vouch for nobody."""

    format: int
    info: RegisterInfo
    secret: bytes
    postings: int
    spell: tuple[SectionDigest, ...]
    block: tuple[SectionDigest, ...]
    shared_births: tuple[date, ...] = ()

    def rows(self, table: Table) -> int:
        return self.info.spells if table == "spell" else self.postings

    def sections(self, table: Table) -> tuple[SectionDigest, ...]:
        return self.spell if table == "spell" else self.block


class BaseRegister(ABC):
    """See `Register`."""

    def __init__(self, meta: RegisterMeta, rules: Rules) -> None:
        self._meta = meta
        self._rules = rules
        self._block_cap = rules.block_cap
        self._decoder = msgspec.msgpack.Decoder(RegisterRecord)

    def candidates(self, query: Query) -> Candidates:
        """Raises IntegrityError if the stored rows cannot be read."""
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
        if query.date_of_birth in self._meta.shared_births:
            records = tuple([msgspec.structs.replace(each, birth_shared=True) for each in records])
        complete = len(records) <= self._block_cap
        return Candidates(records[: self._block_cap], complete, self._known_streets(query, records))

    def _known_streets(self, query: Query, records: Iterable[RegisterRecord]) -> dict[str, int]:
        """How many spells of the ZIP code are at each street that decides whether two spellings are one
        street. Most queries need none."""
        address, rules = query.address, self._rules
        names = {
            name
            for record in records
            if record.address.number == address.number and record.address.street != address.street
            for name in doubtful_names(address.street, record.address.street, rules)
        }
        return {name: self._spells_at_street(address.zip5, name) for name in names}

    def _spells_at_street(self, zip5: str, name: str) -> int:
        """At most index_entries.MAX_POSTING."""
        postings = self._postings([street_key(zip5, name, self._meta.secret)], zip5)
        return len(ids_of(postings[0])) if postings else 0

    def info(self) -> RegisterInfo:
        return self._meta.info

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _postings(self, keys: list[int], zip5: str) -> list[bytes]:
        """The postings of the keys that the register holds."""

    @abstractmethod
    def _spells(self, ids: list[int], zip5: str) -> list[bytes]:
        """`fields` of these spells."""


def damaged() -> IntegrityError:
    return IntegrityError("the register is damaged", where="block or spell", fix=REBUILD)


def require_usable(content: bytes, where: str, rules: Rules) -> RegisterMeta:
    """Decodes the description of a register. Raises Misconfigured (another format, or built with other rules)
    or IntegrityError."""
    try:
        meta = msgspec.msgpack.decode(content, type=RegisterMeta)
    except msgspec.MsgspecError as error:
        raise IntegrityError("the register is damaged", where=where, fix=REBUILD) from error
    if meta.format != FORMAT:
        raise Misconfigured("a register of another format", where=where, fix=REBUILD)
    if root(meta.spell) != meta.info.digest:
        raise IntegrityError("the register is damaged", where=where, fix=REBUILD)
    if (meta.info.rules_version, meta.info.rules_digest) != (rules.version, rules.digest):
        raise Misconfigured("built with other rules than this verifier's", where=where, fix=REBUILD)
    return meta
