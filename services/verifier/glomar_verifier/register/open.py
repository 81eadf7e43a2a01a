"""Opens a register by its place: a file, or a PostgreSQL server by its URL."""

from collections.abc import Callable
from pathlib import Path

from glomar_schemas.errors import Misconfigured

from glomar_verifier.matching.match import Candidates, Query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.readers.reloading import Reloading
from glomar_verifier.register import LiveRegister, RegisterInfo
from glomar_verifier.register.sqlite import SqliteRegister, open_register

SERVERS = ("postgresql://", "postgres://")


def is_server(place: str) -> bool:
    return place.startswith(SERVERS)


def open_place(place: str, rules: Rules) -> LiveRegister:
    """`place`: a path, or a postgresql:// URL without a password.

    Raises Misconfigured (absent, not a register, other rules, no driver), IntegrityError, Unreachable.
    """
    if not is_server(place):
        return RegisterFile(Path(place), rules)
    require_driver()
    from glomar_verifier.register.postgres import open_postgres

    return open_postgres(place, rules)


def require_driver() -> None:
    """Raises Misconfigured. The driver is an optional extra: most record holders use a file and no server."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise Misconfigured(
            "no driver for PostgreSQL is installed",
            where="register",
            fix="pip install 'glomar-verifier[postgres]'",
        ) from None


class RegisterFile:
    """A register file that may be replaced while it is open. See `LiveRegister`."""

    def __init__(self, path: Path, rules: Rules) -> None:
        self._file: Reloading[SqliteRegister | None] = Reloading(
            path, lambda at: open_register(at, rules), None
        )
        self._register = self._file.value or open_register(path, rules)

    def candidates(self, query: Query) -> Candidates:
        return self._register.candidates(query)

    def info(self) -> RegisterInfo:
        return self._register.info()

    def verify(self, progress: Callable[[int, int], None]) -> None:
        self._register.verify(progress)

    def open_replacement(self) -> None:
        self._file.refresh()

    def use_replacement(self) -> None:
        newest = self._file.value
        if newest is not None and newest is not self._register:
            self._register.close()
            self._register = newest

    def close(self) -> None:
        self._register.close()
