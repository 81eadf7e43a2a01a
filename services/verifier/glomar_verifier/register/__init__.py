"""The record holder's data, as the verifier sees it: candidates for a query, and nothing else.
`conform.check` calls it; `sqlite` implements it (PostgreSQL comes behind the same wall)."""

from typing import Protocol

import msgspec

from glomar_verifier.match import Candidates, Query
from glomar_verifier.normalise import AddressForm


class RegisterInfo(msgspec.Struct, frozen=True):
    """`digest` is BLAKE2b-256 (hex) over the rows in order; the rules are those it was built with."""

    people: int
    spells: int
    digest: str
    rules_version: str
    rules_digest: str
    address_form: AddressForm


class Register(Protocol):
    """One caller at a time; open one for each process or thread that looks up."""

    def candidates(self, query: Query) -> Candidates:
        """Every spell that shares a blocking key with the query and touches its years."""

    def info(self) -> RegisterInfo: ...

    def close(self) -> None: ...
