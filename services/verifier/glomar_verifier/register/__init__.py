"""The record holder's data, as the verifier sees it: candidates for a query, and nothing else.
`conform.check` calls it; `sqlite` and `postgres` implement it, and one suite of tests holds both to it."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from glomar_verifier.matching.match import Candidates, Query
from glomar_verifier.matching.normalise import AddressForm


class RegisterInfo(msgspec.Struct, frozen=True):
    """`digest` is over the spells in order (`sections.root`); the rules are those it was built with."""

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


class LiveRegister(Register, Protocol):
    """A register that may be replaced while it is open."""

    def look(self) -> None:
        """Open and check what a build has put in place since; it may take seconds, and may be called in a
        thread while `candidates` runs. A register that isn't usable is logged and refused whole."""

    def refresh(self) -> None:
        """Take up what `look` has found; else the old one stays in force. Not while `candidates` runs."""

    def verify(self, progress: Callable[[int, int], None]) -> None:
        """Compare every row with the digests of the build; progress(sections done, of). Raises
        IntegrityError."""
