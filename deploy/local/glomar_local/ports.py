"""The five loopback ports of a system: fixed ones for `up`, free ones for `demo` and tests.

Each further agreement on the same bus has three of its own, after those of the one before it.
"""

import random
import socket
from itertools import islice

from glomar_schemas.errors import Misconfigured
from msgspec import Struct

HOST = "127.0.0.1"
FIRST_PORT = 26103
"""After 26 U.S.C. 6103. Below the range that Linux and macOS use for outgoing connections."""

FREE_RANGE = range(20_000, 32_000)
"""The range in which free ports are searched."""


class Ports(Struct, frozen=True):
    bus: int
    requester: int
    verifier: int
    auditor: int
    traces: int

    def beside(self, number: int) -> "Ports":
        """The ports of the number-th further agreement, from 0. Bus and traces are shared."""
        first = max(self.named().values()) + 1 + 3 * number
        return Ports(self.bus, first, first + 1, first + 2, self.traces)

    def named(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__struct_fields__}


def consecutive(first: int = FIRST_PORT) -> Ports:
    """Five ports from `first` on. Raises Misconfigured when they are no ports."""
    if not 1 <= first <= 65535 - 4:
        raise Misconfigured("not a port with four more after it", where="--port", fix="Try 26103")
    return Ports(*range(first, first + 5))


def free() -> Ports:
    """Five unused ports.

    They are outside the kernel's range for outgoing connections: a port of that range could be in use again
    before the service binds it.
    """
    while True:
        candidates = random.SystemRandom().sample(FREE_RANGE, 200)
        found = Ports(*islice((port for port in candidates if not _is_taken(port)), 5))
        if not any(map(_is_taken, found.beside(0).named().values())):
            return found


def require_free(ports: Ports) -> None:
    """Raises Misconfigured naming every port that is taken, and what it is wanted for."""
    taken = [f"{port} ({name})" for name, port in ports.named().items() if _is_taken(port)]
    if taken:
        raise Misconfigured(
            f"port {', '.join(taken)} is taken by another program",
            where=HOST,
            fix="Stop that program, or choose five other ports with --port FIRST",
        )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers themselves do: a port whose last connections linger in TIME_WAIT is not taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
