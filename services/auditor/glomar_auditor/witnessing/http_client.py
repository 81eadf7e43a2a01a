"""One HTTP POST and its answer, for talking to witnesses. Called by witnesses; nothing is kept or followed.

On asyncio's streams, so that a peer which answers a byte a minute is left when the time is over.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11
from glomar_schemas.errors import Misconfigured, Unreachable
from msgspec import Struct

TIMEOUT_S: Final = 5.0
"""For the whole exchange."""
MAX_ANSWER_BYTES: Final = 64 * 1024
_CHUNK: Final = 16 * 1024


class Answer(Struct, frozen=True):
    """What came back: the status, and a body of at most MAX_ANSWER_BYTES."""

    status: int
    body: bytes


Post = Callable[[str, bytes], Awaitable[Answer]]
"""(URL, body) -> the answer. Raises Unreachable."""


def require_url(url: str) -> None:
    """Raises Misconfigured unless it is an http or https URL with a host."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if url.isascii() and parts.scheme in ("http", "https") and parts.hostname and _port(parts):
            return
    raise Misconfigured("not an http or https URL", where="witness URL")


async def post(url: str, body: bytes) -> Answer:
    """Raises Unreachable: no connection, no answer in TIMEOUT_S, too long a one, or no HTTP."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _exchange(parts, body)
    except TimeoutError:
        raise Unreachable(f"no answer in {TIMEOUT_S:.0f} s") from None
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        raise Unreachable("the answer is not HTTP") from None
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"no connection ({type(error).__name__})") from None


async def _exchange(parts: SplitResult, body: bytes) -> Answer:
    context = ssl.create_default_context() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname, _port(parts), ssl=context)
    try:
        connection = h11.Connection(h11.CLIENT)
        head = h11.Request(
            method="POST",
            target=parts.path or "/",
            headers=[
                ("Host", parts.netloc.rpartition("@")[2]),
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ],
        )
        for event in (head, h11.Data(body), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        await writer.drain()
        return await _answer(connection, reader)
    finally:
        writer.close()


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    status, received = 0, bytearray()
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK))
            case h11.Response(status_code=code):
                status = code
            case h11.Data(data=data):
                received += data
                if len(received) > MAX_ANSWER_BYTES:
                    raise Unreachable(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
            case h11.InformationalResponse():
                pass
            case _:
                return Answer(status, bytes(received))


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
