"""The NATS connection of a service: nats-py's client, made safe against what another party may publish.

nats-py ends its read loop, silently and for good, at a subject or status line that is not UTF-8, and takes
a vertical tab, form feed or carriage return for the end of a subject; nats-server stores all of them. One
such message would stop verifier and auditor for everybody (docs/adr/0004).
"""

import contextlib
import logging
import re
from pathlib import Path
from typing import Any, Protocol

from glomar_schemas.errors import GlomarError, Unreachable
from glomar_schemas.keys import require_nkey
from glomar_schemas.publish import connection_attempts
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import (
    ConnectionClosedError,
    NoRespondersError,
    NoServersError,
    OutboundBufferLimitError,
    UnexpectedEOF,
)
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.protocol import parser

from glomar_runtime.bus.feed import Feed

log = logging.getLogger(__name__)

API_PREFIX = "BUS.API"
"""Where the JetStream API of account BUS appears in a party's own account."""

CONNECT_TIMEOUT_S = 2.0
RETRY_S = 0.25
PING_S = 2.0
"""Half a minute without a word is too long for a hold; two missed pings of 2 s end a dead connection."""


_NOT_PLAIN = re.compile(rb"[^\x21-\x7e]+")


def plain_subject(subject: bytes) -> str:
    """A subject with each run of anything but printable ASCII as one "?".

    The rule is such that bytes from the wire and text from the API, where the server has already replaced
    what is not UTF-8, give the same; the ledger records this form.
    """
    return _NOT_PLAIN.sub(b"?", subject).decode("ascii")


# The server parts the words of a line with one space each; nats-py would part them at any white space, which
# a subject may hold. Its patterns are globals of a module, so they are replaced there, for this process.
parser.MSG_RE = re.compile(rb"\AMSG ([^ \n]+) (\d+) (([^ \n]+) )?(\d+)\r\n")
parser.HMSG_RE = re.compile(rb"\AHMSG ([^ \n]+) (\d+) (([^ \n]+) )?(\d+) (\d+)\r\n")


class Access(Protocol):
    """As whom, and to which nodes (nats://host:port, with commas between)."""

    @property
    def url(self) -> str: ...
    @property
    def nkey(self) -> Path: ...


class BusClient(Client):
    """nats-py's client, whose read loop no message can end."""

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        plain = plain_subject(subject).encode()
        message: Msg = super()._build_message(sid, plain, reply, data, headers)
        return message

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        try:
            found: dict[str, str] | None = await super()._process_headers(headers)
        except (UnicodeDecodeError, IndexError):
            return None
        return found

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109 - nats-py's signature
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Raises Unreachable where nobody answers there, TimeoutError where nobody did in time."""
        try:
            reply: Msg = await super().request(subject, payload, timeout, old_style, headers)
        except NoRespondersError:
            raise Unreachable("nobody answers there", where="bus") from None
        except (ConnectionClosedError, OutboundBufferLimitError):
            raise Unreachable("the bus is away", where="bus") from None
        return reply

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, Any] | None = None
    ) -> None:
        """Raises Unreachable when the bus has been away for more than is kept for it."""
        try:
            await super().publish(subject, payload, reply, headers)
        except (ConnectionClosedError, OutboundBufferLimitError):
            raise Unreachable("the bus is away", where="bus") from None

    async def close(self) -> None:
        """Also where the bus has gone meanwhile: nats-py flushes first, and what counts is acknowledged."""
        with contextlib.suppress(ConnectionError):
            await super().close()

    def jetstream(self, **options: Any) -> JetStreamContext:
        return _Streams(self, **options)


class _Streams(JetStreamContext):
    """The context that FastStream subscribes through; what it calls a pull subscription is our Feed."""

    async def pull_subscribe(  # type: ignore[override]
        self, subject: str, *, durable: str | None, **_: Any
    ) -> Feed:
        feed = Feed(self._nc, subject, durable or "")
        await feed.start()
        return feed


async def connect(settings: Access, name: str, *, quiet: bool = False) -> BusClient:
    """A connection that reconnects for ever. quiet: for a command, which says by its errors what is wrong.

    Raises Misconfigured, Unreachable.
    """
    require_nkey(settings.nkey)
    *others, last = connection_attempts(settings.url)
    for servers in others:
        with contextlib.suppress(Unreachable):
            return await _connect(settings, name, servers, quiet)
    return await _connect(settings, name, last, quiet)


async def _connect(settings: Access, name: str, servers: list[str], quiet: bool) -> BusClient:
    client = BusClient()

    async def on_disconnected() -> None:
        if not client.is_closed:
            log.warning("disconnected from the bus; reconnecting")

    options: dict[str, Any] = {
        "servers": servers,
        "dont_randomize": True,
        "name": name,
        "nkeys_seed": str(settings.nkey),
        "connect_timeout": CONNECT_TIMEOUT_S,
        "reconnect_time_wait": RETRY_S,
        "ping_interval": PING_S,
        "error_cb": _on_error,
    }
    if not quiet:
        options |= {"disconnected_cb": on_disconnected, "reconnected_cb": _on_reconnected}
    try:
        # The first connection fails at once, with a message; only later ones are tried for ever.
        await client.connect(**options, allow_reconnect=False, max_reconnect_attempts=1)
    except (NoServersError, OSError, NatsError, TimeoutError) as error:
        raise Unreachable(
            f"no connection to the bus ({type(error).__name__})",
            where=settings.url,
            fix="Is nats-server running there, and does it know this nkey?",
        ) from None
    client.options["allow_reconnect"] = True
    client.options["max_reconnect_attempts"] = -1
    return client


async def _on_error(error: Exception) -> None:
    if isinstance(error, OSError | NoServersError | UnexpectedEOF):
        # The bus is away: said once when it went, and by whatever a call raises.
        return
    fault = error.what if isinstance(error, GlomarError) else type(error).__name__
    log.warning("bus connection error", extra={"error_type": fault})


async def _on_reconnected() -> None:
    log.info("connected to the bus again")
