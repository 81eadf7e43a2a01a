"""The NATS connection of a service: nats-py's client, protected against messages of other parties.

nats-py silently ends its read loop at a subject or status line that is not UTF-8, and reads a vertical tab,
form feed or carriage return as the end of a subject. nats-server stores all of them. One such message would
stop verifier and auditor for everybody (docs/adr/0004).
"""

import contextlib
import logging
import re
from collections.abc import AsyncIterator
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
"""Prefix of account BUS's JetStream API in a party's own account."""

CONNECT_TIMEOUT_S = 2.0
RETRY_S = 0.25
PING_S = 2.0
"""Two missed pings end a dead connection: within seconds, so that a hold is not delayed."""

_NOT_PLAIN = re.compile(rb"[^\x21-\x7e]+")


def plain_subject(subject: bytes) -> str:
    """The subject with each run of bytes that are not printable ASCII as one "?", as the ledger records it.

    Bytes from the wire and text from the API give the same result, although in the API's text the server has
    already replaced what is not UTF-8.
    """
    return _NOT_PLAIN.sub(b"?", subject).decode("ascii")


# The server separates the words of a line with one space. nats-py splits at any white space, which a subject
# may contain. Its patterns are module globals, so they are replaced there for the whole process.
parser.MSG_RE = re.compile(rb"\AMSG ([^ \n]+) (\d+) (([^ \n]+) )?(\d+)\r\n")
parser.HMSG_RE = re.compile(rb"\AHMSG ([^ \n]+) (\d+) (([^ \n]+) )?(\d+) (\d+)\r\n")


class Access(Protocol):
    """The nkey of the party, and the servers (nats://host:port, separated by commas)."""

    @property
    def url(self) -> str: ...
    @property
    def nkey(self) -> Path: ...


class BusClient(Client):
    """nats-py's client with a read loop that no message can end."""

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
        """Raises Unreachable if nobody listens on the subject, TimeoutError if nobody answers in time."""
        try:
            reply: Msg = await super().request(subject, payload, timeout, old_style, headers)
        except NoRespondersError:
            raise Unreachable("nobody listens on this subject", where="bus") from None
        except (ConnectionClosedError, OutboundBufferLimitError):
            raise Unreachable("the bus can't be reached", where="bus") from None
        return reply

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, Any] | None = None
    ) -> None:
        """Raises Unreachable if the connection is closed or its buffer is full."""
        try:
            await super().publish(subject, payload, reply, headers)
        except (ConnectionClosedError, OutboundBufferLimitError):
            raise Unreachable("the bus can't be reached", where="bus") from None

    async def close(self) -> None:
        """Ignores a lost connection: nats-py flushes first, and stored messages are acknowledged already."""
        with contextlib.suppress(ConnectionError):
            await super().close()

    def jetstream(self, **options: Any) -> JetStreamContext:
        return _Streams(self, **options)


class _Streams(JetStreamContext):
    """The JetStream context for FastStream: its pull subscription is a `Feed`."""

    async def pull_subscribe(  # type: ignore[override]
        self, subject: str, *, durable: str | None, **_: Any
    ) -> Feed:
        feed = Feed(self._nc, subject, durable or "")
        await feed.start()
        return feed


async def connect(settings: Access, name: str, *, quiet: bool = False) -> BusClient:
    """A connection that always reconnects. quiet: no log lines, for a command, which reports errors itself.

    Raises Misconfigured, Unreachable.
    """
    require_nkey(settings.nkey)
    *others, last = connection_attempts(settings.url)
    for servers in others:
        with contextlib.suppress(Unreachable):
            return await _connect(settings, name, servers, quiet)
    return await _connect(settings, name, last, quiet)


@contextlib.asynccontextmanager
async def connected(settings: Access, name: str, *, quiet: bool = True) -> AsyncIterator[BusClient]:
    """A connection for one command. Raises as `connect`."""
    client = await connect(settings, name, quiet=quiet)
    try:
        yield client
    finally:
        await client.close()


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
        # The first connection fails at once with a message; only reconnections are tried without end.
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
        # The lost connection is logged once by the callback, and each call raises its own error.
        return
    fault = error.what if isinstance(error, GlomarError) else type(error).__name__
    log.warning("bus connection error", extra={"error_type": fault})


async def _on_reconnected() -> None:
    log.info("connected to the bus again")
