"""The light client's connection to the bus. The service uses the one of glomar_runtime."""

import contextlib
from pathlib import Path
from typing import Any

from glomar_schemas.errors import Unreachable
from glomar_schemas.keys import require_nkey
from glomar_schemas.publish import connection_attempts
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError

TIMES_S: dict[str, Any] = {"connect_timeout": 2.0, "reconnect_time_wait": 0.25, "ping_interval": 2.0}
"""A dead connection is detected after two missed pings."""


async def connect(url: str, nkey: Path) -> Client:
    """Connects as the agency of the nkey. A connection that is lost later reconnects without limit.

    Raises Misconfigured (the key file), Unreachable.
    """
    require_nkey(nkey)
    *others, last = connection_attempts(url)
    for servers in others:
        with contextlib.suppress(Unreachable):
            return await _connect(servers, nkey, url)
    return await _connect(last, nkey, url)


async def close(client: Client) -> None:
    """Also while the bus is away: nats-py flushes first, but everything durable is already stored."""
    with contextlib.suppress(ConnectionError):
        await client.close()


async def _connect(servers: list[str], nkey: Path, url: str) -> Client:
    client = Client()
    try:
        await client.connect(
            servers=servers,
            dont_randomize=True,
            name="glomar-requester client",
            nkeys_seed=str(nkey),
            allow_reconnect=False,
            max_reconnect_attempts=1,
            error_cb=_ignore,
            **TIMES_S,
        )
    except (NoServersError, OSError, NatsError, TimeoutError) as error:
        raise Unreachable(
            f"no connection to the bus ({type(error).__name__})",
            where=url,
            fix="Is nats-server running there, and does it know this nkey?",
        ) from None
    client.options["allow_reconnect"] = True
    client.options["max_reconnect_attempts"] = -1
    return client


async def _ignore(error: Exception) -> None:
    """nats-py prints tracebacks by default; the failing call raises the error that matters."""
