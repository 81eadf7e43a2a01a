"""The HTTP client of the witnesses against servers that misbehave."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from glomar_auditor.witnessing import http_client
from glomar_auditor.witnessing.http_client import MAX_BODY_BYTES, Response, post
from glomar_schemas.errors import Unreachable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BODY = b"old 0\n\nnote"


def answering(*parts: bytes, head: bytes = b"HTTP/1.1 200 OK\r\n", ends: bool = True) -> Serve:
    """Reads a whole request, writes the parts and closes, or keeps the connection open."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"POST /add-checkpoint HTTP/1.1\r\n")
        assert await reader.readexactly(len(BODY)) == BODY
        for part in (head, *parts):
            writer.write(part)
            await writer.drain()
        if ends:
            writer.close()
        else:
            await reader.read()

    return serve


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte at a time, each well within a timeout that counts from the last one."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.01)


async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def response_of(serve: Serve) -> Response:
    """The response of a server on a free port of this machine."""

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def go() -> Response:
        server = await asyncio.start_server(closing, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await post(f"http://127.0.0.1:{port}/add-checkpoint", BODY)

    return asyncio.run(go())


def test_status_and_body_come_back() -> None:
    assert response_of(answering(b"Content-Length: 2\r\n\r\n", b"4\n")) == Response(200, b"4\n")
    assert response_of(answering(b"Transfer-Encoding: chunked\r\n\r\n2\r\n4\n\r\n0\r\n\r\n")) == Response(
        200, b"4\n"
    )
    assert response_of(answering(b"\r\n", b"until the end")) == Response(200, b"until the end")


@pytest.mark.parametrize("serve", [hanging, dripping, answering(b"Content-Length: 9\r\n\r\n", ends=False)])
def test_a_server_that_takes_too_long_is_left(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "TIMEOUT_S", 0.3)
    with pytest.raises(Unreachable, match="no answer in"):
        response_of(serve)


def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    whole = bytes(MAX_BODY_BYTES)
    assert response_of(answering(b"\r\n", whole)).body == whole
    with pytest.raises(Unreachable, match="more than 65536 bytes"):
        response_of(answering(b"\r\n", whole + b"x", ends=False))


def test_a_compressed_body_is_not_unpacked() -> None:
    assert response_of(answering(b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b")).body == b"\x1f\x8b"


def test_a_redirect_is_not_followed() -> None:
    head = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    assert response_of(answering(head=head)) == Response(307, b"")


@pytest.mark.parametrize(
    "head", [b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"]
)
def test_what_is_not_http_or_cut_off_is_no_answer(head: bytes) -> None:
    with pytest.raises(Unreachable, match="not HTTP, or is cut off"):
        response_of(answering(head=head))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_failed_connection_names_its_cause(scheme: str) -> None:
    with pytest.raises(Unreachable, match=r"no connection \(ConnectionRefusedError\)"):
        asyncio.run(post(f"{scheme}://127.0.0.1:9/", BODY))
