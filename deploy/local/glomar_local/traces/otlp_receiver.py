"""A small OTLP/HTTP receiver for traces, on loopback, in the supervisor's own process.

It shares its two cores with the system that it watches, so it only checks sizes, unpacks and stores.
"""

import asyncio
import contextlib
import socket
import zlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvicorn
from glomar_schemas.errors import Unreachable

from glomar_local.ports import HOST
from glomar_local.traces.store import TraceStore

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Of a body, both as sent and after gunzip."""
PROTOBUF = "application/x-protobuf"
_GZIP = 16 + zlib.MAX_WBITS


class OtlpReceiver:
    """The ASGI application: POST /v1/traces (OTLP 1.x, protobuf, plain or gzip). It answers once stored."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store
        self._writer = ThreadPoolExecutor(1, "traces")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        status = await self._respond(scope, receive)
        headers = [(b"content-type", PROTOBUF.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _respond(self, scope: Any, receive: Any) -> int:
        if (scope["method"], scope["path"]) != ("POST", "/v1/traces"):
            return 404
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("content-type") != PROTOBUF:
            return 415
        body = await _read(receive)
        if body is None:
            return 413
        zipped = headers.get("content-encoding") == "gzip"
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._keep, body, zipped)

    def _keep(self, body: bytes, zipped: bool) -> int:
        if zipped:
            unpacked = gunzip(body)
            if unpacked is None:
                return 400
            body = unpacked
        self._store.add(body)
        return 200

    def close(self) -> None:
        self._writer.shutdown()
        self._store.close()


async def _read(receive: Any) -> bytes | None:
    """The request's body; None when it is too large."""
    parts, size = [], 0
    while True:
        event = await receive()
        part = event.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
        if not event.get("more_body", False):
            return b"".join(parts)


def gunzip(body: bytes) -> bytes | None:
    """The unpacked bytes; None for broken data, or where they would be more than MAX_BODY_BYTES."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


class _OtlpServer(uvicorn.Server):
    """Leaves signals to the supervisor."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def receiving(database: Path, port: int) -> AsyncIterator[None]:
    """Receives traces into the database for as long as the context is open. Raises Unreachable."""
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        raise Unreachable(f"the port can't be used ({error.strerror})", where=f"{HOST}:{port}") from None
    receiver = OtlpReceiver(TraceStore(database))
    server = _OtlpServer(uvicorn.Config(receiver, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
        receiver.close()
