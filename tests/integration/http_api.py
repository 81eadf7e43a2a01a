"""Calls of the requester's HTTP API as by an agency's system: standard library, loopback, no proxy."""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from glomar_local.ports import HOST
from msgspec import Struct

from tests.support.running_system import RunningSystem

LIMIT_S = 300.0


class Response(Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes


def post(system: RunningSystem, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return _call(system, "POST", path, body, headers or {})


def get(system: RunningSystem, path: str) -> Response:
    return _call(system, "GET", path, b"", {})


def _call(system: RunningSystem, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
    usual = {"Authorization": f"Bearer {system.token}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(HOST, system.ports.requester, timeout=LIMIT_S)) as connection:
        connection.request(method, path, body, {**usual, **headers})
        answer = connection.getresponse()
        return Response(answer.status, dict(answer.getheaders()), answer.read())


def auditor_status(system: RunningSystem) -> dict[str, Any]:
    """The auditor's /status."""
    with closing(http.client.HTTPConnection(HOST, system.ports.auditor, timeout=LIMIT_S)) as connection:
        connection.request("GET", "/status")
        found = json.loads(connection.getresponse().read())
        assert isinstance(found, dict)
        return found
