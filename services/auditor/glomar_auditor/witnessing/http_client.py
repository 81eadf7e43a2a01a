"""One HTTP POST and its response, for witnesses: one deadline for all of it, a bounded body, no redirects."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Final

import httpx
from glomar_schemas.errors import Misconfigured, Unreachable
from msgspec import Struct

TIMEOUT_S: Final = 5.0
"""For the whole exchange. httpx's own timeout starts again with each read."""
MAX_BODY_BYTES: Final = 64 * 1024
# Not decoded: a few compressed bytes can become gigabytes.
_HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8", "Accept-Encoding": "identity"}


class Response(Struct, frozen=True):
    """The status, and a body of at most MAX_BODY_BYTES."""

    status: int
    body: bytes


Post = Callable[[str, bytes], Awaitable[Response]]
"""(URL, body) -> the response. Raises Unreachable."""


def require_url(url: str) -> None:
    """Raises Misconfigured unless it is an http or https URL with a host."""
    try:
        parts = httpx.URL(url)
        is_usable = url.isascii() and parts.scheme in ("http", "https") and bool(parts.host)
    except httpx.InvalidURL:
        is_usable = False
    if not is_usable:
        raise Misconfigured("not an http or https URL", where="witness URL")


async def post(url: str, body: bytes) -> Response:
    """Raises Unreachable: no connection, no response in TIMEOUT_S, too long a one, or no HTTP."""
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            # trust_env: no proxy from the environment.
            httpx.AsyncClient(verify=_system_trust(), timeout=TIMEOUT_S, trust_env=False) as client,
            client.stream("POST", url, content=body, headers=_HEADERS) as response,
        ):
            return Response(response.status_code, await _bounded(response))
    except (TimeoutError, httpx.TimeoutException):
        raise Unreachable(f"no answer in {TIMEOUT_S:.0f} s") from None
    except httpx.ProtocolError:
        raise Unreachable("the answer is not HTTP, or is cut off") from None
    except (httpx.TransportError, OSError) as error:
        raise Unreachable(f"no connection ({_cause(error)})") from None


async def _bounded(response: httpx.Response) -> bytes:
    received = bytearray()
    async for chunk in response.aiter_raw():
        received += chunk
        if len(received) > MAX_BODY_BYTES:
            raise Unreachable(f"an answer of more than {MAX_BODY_BYTES} bytes")
    return bytes(received)


@cache
def _system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _cause(error: BaseException) -> str:
    """The class of the first cause, such as ConnectionRefusedError."""
    while (earlier := error.__cause__ or error.__context__) is not None:
        # Of a host with several addresses each attempt failed.
        error = earlier.exceptions[0] if isinstance(earlier, BaseExceptionGroup) else earlier
    return type(error).__name__
