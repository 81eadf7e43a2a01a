"""Requests over the requester's HTTP API, repeated until they succeed: what is accepted must be answered.

Each request is sent with its own Idempotency-Key until it is accepted; then its result is polled.
"""

import http.client
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from glomar_local.ports import HOST
from glomar_local.provision.provision import System
from glomar_schemas.keys import read_secret

from tests.support.polling import until

THREADS = 16
ANSWER_LIMIT_S = 60.0
MAX_ATTEMPTS = 2_000
"""For one call, with a pause after each; far more than a restart needs."""
PAUSE_S = 0.05


class HttpRequests:
    """`accepted` grows while `run` runs in another thread."""

    def __init__(self, system: System, bodies: Sequence[bytes]) -> None:
        self._port = system.ports.requester
        self._token = read_secret(system.layout.token).decode()
        self._bodies = bodies
        self._pause = threading.Event()
        self._of_thread = threading.local()
        self._opened: list[http.client.HTTPConnection] = []
        self.accepted: dict[str, str] = {}
        """Idempotency-Key -> request id, of what was answered 202."""

    def run(self) -> list[dict[str, str]]:
        """Results in the columns of a results file."""
        with ThreadPoolExecutor(THREADS) as threads:
            ids = list(threads.map(self._submit, range(len(self._bodies)), self._bodies))
            results = list(threads.map(self._result, ids))
        for connection in self._opened:
            connection.close()
        return results

    def until_accepted(self, number: int) -> None:
        until(lambda: len(self.accepted) >= number, f"{number} requests accepted")

    def _submit(self, number: int, body: bytes) -> str:
        key = f"row-{number}"
        request_id = self._call_until("POST", "/v1/requests", 202, body, key)["request_id"]
        self.accepted[key] = request_id
        return str(request_id)

    def _result(self, request_id: str) -> dict[str, str]:
        found = self._call_until("GET", f"/v1/requests/{request_id}", 200)
        return {
            "reference": found["reference"],
            "request_id": found["request_id"],
            "outcome": found["outcome"],
            "sequence": str(found["sequence"]),
            "receipt_ok": str(found["receipt_ok"]).lower(),
        }

    def _call_until(self, method: str, path: str, wanted: int, body: bytes = b"", key: str = "") -> Any:
        headers = {"authorization": f"Bearer {self._token}", "idempotency-key": key}
        status = 0
        for _ in range(MAX_ATTEMPTS):
            try:
                status, answer = self._call(method, path, body, headers)
            except (OSError, http.client.HTTPException):
                status = 0
            if status == wanted:
                return json.loads(answer)
            assert status in (0, 202, 503), f"{method} answered {status}"
            self._pause.wait(PAUSE_S)
        raise AssertionError(f"{method} never answered {wanted}, last {status}")

    def _call(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self._connection.close()
            raise

    @property
    def _connection(self) -> http.client.HTTPConnection:
        """The calling thread's own connection; http.client reconnects it after a close."""
        if not hasattr(self._of_thread, "connection"):
            connection = http.client.HTTPConnection(HOST, self._port, timeout=ANSWER_LIMIT_S)
            self._of_thread.connection = connection
            self._opened.append(connection)
        found: http.client.HTTPConnection = self._of_thread.connection
        return found
