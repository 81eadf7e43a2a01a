"""Serves the published files of a ledger over HTTP: checkpoint, tiles, bundles (c2sp.org/tlog-tiles).

Read only, without a token: it holds nothing about a person, and outsiders are meant to check it. Any web
server can serve the same files (docs/how-to/operate/publish-the-ledger.md).
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Final

from faststream.asgi import AsgiResponse
from faststream.asgi.types import ASGIApp, Receive, Scope, Send
from glomar_schemas.tlog.layout import CHECKPOINT, COSIGNED, is_tile

PREFIX: Final = "/log/"

_METHODS: Final = "GET, HEAD"
_FIXED: Final = {"access-control-allow-origin": "*", "x-content-type-options": "nosniff"}
_REVALIDATED: Final = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-cache"}
_IMMUTABLE: Final = {
    "content-type": "application/octet-stream",
    "cache-control": "public, max-age=31536000, immutable",
}
"""Also for a partial tile: the content under its name never changes."""


class TileServer:
    """An ASGI application over one ledger directory. It reads only the files that a log publishes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"].removeprefix(PREFIX)
        if method not in ("GET", "HEAD"):
            response = _text(405, "only GET and HEAD", {"allow": _METHODS})
        else:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            response = self._respond(path, headers, with_body=method == "GET")
        await response(scope, receive, send)

    def _respond(self, path: str, request: Mapping[str, str], *, with_body: bool) -> ASGIApp:
        is_checkpoint = path in (CHECKPOINT, COSIGNED)
        if not is_checkpoint and not is_tile(path):
            return _text(404, "nothing is published there")
        try:
            # From the page cache, in microseconds. Files are replaced in one step, so the content is whole.
            with (self._directory / path).open("rb") as file:
                body, modified = file.read(), os.fstat(file.fileno()).st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return _text(404, "nothing is published there")
        except OSError:
            return _text(503, "the ledger can't be read now")
        at = datetime.fromtimestamp(int(modified), UTC)
        headers = {
            **(_REVALIDATED if is_checkpoint else _IMMUTABLE),
            **_FIXED,
            "etag": f'"{int(modified * 1e6):x}-{len(body):x}"',
            "last-modified": format_datetime(at, usegmt=True),
        }
        if _is_current(request, headers["etag"], at):
            return AsgiResponse(b"", 304, headers)
        return AsgiResponse(body if with_body else b"", 200, {**headers, "content-length": str(len(body))})


def _is_current(request: Mapping[str, str], etag: str, modified: datetime) -> bool:
    """Whether the client has the newest content. RFC 9110 §13.2.2: If-None-Match, else If-Modified-Since."""
    if (tags := request.get("if-none-match")) is not None:
        return tags.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in tags.split(","))
    try:
        return modified <= parsedate_to_datetime(request.get("if-modified-since", ""))
    except (ValueError, TypeError):
        return False


def _text(status: int, what: str, headers: Mapping[str, str] | None = None) -> ASGIApp:
    body = f"{what}\n".encode()
    fixed = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    return AsgiResponse(body, status, {**fixed, **_FIXED, **(headers or {})})
