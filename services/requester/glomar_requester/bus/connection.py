"""The client's own connection to the bus. The service has a sturdier one, in glomar_runtime."""

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
"""A dead connection is noticed after two missed pings."""


async def connect(url: str, nkey: Path) -> Client:
    """Connects as the agency that the nkey names, and again for ever once that worked.

    Raises Misconfigured (the key file), Unreachable.
    """
    require_nkey(nkey)
    *others, last = connection_attempts(url)
    for servers in others:
        with contextlib.suppress(Unreachable):
            return await _connect(servers, nkey, url)
    return await _connect(last, nkey, url)


async def close(client: Client) -> None:
    """Also where the bus has gone meanwhile: nats-py flushes first, and what counts is stored already."""
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
    """nats-py prints tracebacks otherwise; what matters of it comes out of the call that it breaks."""
