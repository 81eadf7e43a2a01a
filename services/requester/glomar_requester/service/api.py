"""The HTTP API of the requester: ask, come back for the result, hear of recalls. Mounted under /v1/.

POST /v1/requests answers 202 only once the stream has stored the request durably. No response, and no log,
repeats a value that was sent.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
from faststream.asgi import AsgiResponse
from faststream.asgi.types import ASGIApp, Receive, Scope, Send
from glomar_schemas.decoding import decode
from glomar_schemas.errors import GlomarError, IntegrityError, Malformed, Misconfigured, Retryable, Untrusted
from glomar_schemas.keys import read_secret
from glomar_schemas.request_file import Ask
from glomar_schemas.subjects import TRACEPARENT, is_request_id

from glomar_requester.ask import BadForm
from glomar_requester.bus.publish import Conflict
from glomar_requester.client import Client, Unknown
from glomar_requester.service.otel_tracing import served
from glomar_requester.verification.gone import Gone
from glomar_requester.verification.release import Result

PREFIX = "/v1/"
REQUESTS = "/v1/requests"
RECALLS = "/v1/recalls"
LONGEST_WAIT_S = 30
MAX_BODY_BYTES = 65_536
RETRY_AFTER_S = 5

_KEY = re.compile(r"[\x21-\x7e]{0,100}\Z")
_QUERY = re.compile(rb"(?:after=(?P<after>[0-9]{1,18}))?&?(?:wait_s=(?P<wait_s>[0-9]{1,3}))?\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")


class Api:
    """An ASGI application."""

    def __init__(self, client: Client, token_hash: str) -> None:
        self._client = client
        self._token_hash = token_hash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] == RECALLS and self._is_known(headers.get("authorization", "")):
            response = await self._told(scope["method"], scope.get("query_string", b""))
        else:
            response = await self._respond(scope["method"], scope["path"], headers, receive)
        await response(scope, receive, send)

    async def _respond(self, method: str, path: str, headers: Mapping[str, str], receive: Receive) -> ASGIApp:
        if not self._is_known(headers.get("authorization", "")):
            return _json(401, {"fault": "a bearer token is needed"}, {"www-authenticate": "Bearer"})
        request_id = path.removeprefix(f"{REQUESTS}/")
        try:
            if path == REQUESTS and method == "POST":
                with served(f"POST {REQUESTS}", headers.get(TRACEPARENT, "")):
                    return await self._submit(headers, receive)
            if request_id != path and method == "GET" and is_request_id(request_id):
                return await self._result(request_id)
        except GlomarError as error:
            return _failure(error)
        known = path == REQUESTS or (request_id != path and is_request_id(request_id))
        return _json(405 if known else 404, {"fault": "no such resource" if not known else "no such method"})

    async def _submit(self, headers: Mapping[str, str], receive: Receive) -> ASGIApp:
        key = headers.get("idempotency-key", "")
        if not _KEY.match(key):
            raise Malformed("at most 100 printable ASCII characters at `Idempotency-Key`")
        ask = decode(await _body(receive), Ask, what="request", max_bytes=MAX_BODY_BYTES)
        request_id = await self._client.submit(ask, key=key and f"http:{key}")
        return _json(202, {"request_id": request_id}, {"location": f"{REQUESTS}/{request_id}"})

    async def _result(self, request_id: str) -> ASGIApp:
        found = await self._client.peek(request_id)
        if isinstance(found, Result):
            return _json(200, found)
        pending = {"request_id": request_id, "outcome": "pending", "trace_id": found.trace_id}
        # false: its answer is recorded, and waits for the witnesses that this agency asks for.
        witnessed = not self._client.lacks_quorum(request_id)
        return _json(202, {**pending, "witnessed": witnessed}, {"retry-after": "1"})

    async def _told(self, method: str, query: bytes) -> ASGIApp:
        """after: the last number that was seen; wait_s: how long to wait for the next, at most 30 s."""
        if method != "GET":
            return _json(405, {"fault": "no such method"})
        if not (asked := _QUERY.match(query)):
            return _json(400, {"fault": "the query is not after=NUMBER&wait_s=SECONDS, each optional"})
        after, wait_s = int(asked["after"] or 0), int(asked["wait_s"] or 0)
        try:
            found = await self._client.recalls_behind(after, timeout_s=min(wait_s, LONGEST_WAIT_S))
        except GlomarError as error:
            return _failure(error)
        return _json(200, {"recalls": found, "after": found[-1].number if found else after})

    def _is_known(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        offered = hashlib.sha256(token.encode("latin-1")).hexdigest()
        return hmac.compare_digest(offered, self._token_hash) and scheme.lower() == "bearer"


def read_token_hash(path: Path) -> str:
    """The SHA-256 of the bearer token, in hex. Raises Misconfigured."""
    content = read_secret(path).strip()
    if not content:
        raise Misconfigured("holds no token", where=str(path))
    text = content.decode("latin-1")
    return text if _HASH.match(text) else hashlib.sha256(content).hexdigest()


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise Malformed(f"larger than {MAX_BODY_BYTES} bytes")
        if not event.get("more_body"):
            return bytes(body)


def _failure(error: GlomarError) -> ASGIApp:
    match error:
        case BadForm():
            faults = [{"field": fault.field, "fault": fault.what} for fault in error.faults]
            return _json(400, {"fault": "the request can't be sent", "errors": faults})
        case Conflict():
            return _json(409, {"fault": error.what})
        case Gone():
            return _json(410, {"fault": error.what, "outcome": error.outcome})
        case Unknown():
            return _json(404, {"fault": error.what})
        case Malformed():
            what, _, place = error.what.partition(" at `")
            faults = [{"field": place.removeprefix("$.").rstrip("`"), "fault": what}]
            return _json(400, {"fault": "the request can't be sent", "errors": faults})
        case Retryable():
            fault = {"fault": error.what, "fix": "Ask again under the same Idempotency-Key"}
            return _json(503, fault, {"retry-after": str(RETRY_AFTER_S)})
        case Untrusted() | Misconfigured():
            return _json(503, {"fault": error.what})
        case IntegrityError():
            return _json(502, {"fault": error.what})
        case _:
            return _json(500, {"fault": error.what})


def _json(status: int, content: object, headers: Mapping[str, str] | None = None) -> ASGIApp:
    fixed = {"content-type": "application/json", "cache-control": "no-store"}
    return AsgiResponse(msgspec.json.encode(content), status, {**fixed, **(headers or {})})
