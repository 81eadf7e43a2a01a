"""The register of the record holder's data: it is built from an extract, and answers a query with candidates.
`sqlite` and `postgres` implement it, and pass the same tests."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from glomar_verifier.matching.addresses import AddressForm
from glomar_verifier.matching.match import Candidates, Query


class RegisterInfo(msgspec.Struct, frozen=True):
    """`digest` is over the spells in order (`digests.root`); the rules are those of the build."""

    people: int
    spells: int
    digest: str
    rules_version: str
    rules_digest: str
    address_form: AddressForm


class Register(Protocol):
    """For one caller at a time: open one for each process or thread."""

    def candidates(self, query: Query) -> Candidates:
        """Every spell that shares a blocking key with the query and touches its years."""

    def info(self) -> RegisterInfo: ...

    def close(self) -> None: ...


class LiveRegister(Register, Protocol):
    """A register that may be replaced while it is open."""

    def open_replacement(self) -> None:
        """Opens and checks the register that a build has put in place since. It may take seconds, and may run
        in a thread beside `candidates`. A register that is not usable is logged and not taken."""

    def use_replacement(self) -> None:
        """Switches to the register that `open_replacement` has opened, if there is one. Not while
        `candidates` runs."""

    def verify(self, progress: Callable[[int, int], None]) -> None:
        """Compares every row with the digests of the build; progress(sections done, of). Raises
        IntegrityError."""
