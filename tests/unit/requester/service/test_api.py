"""The HTTP API, called as an ASGI application."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from faststream.asgi.types import Message
from glomar_requester.service.api import Api, read_token_hash
from glomar_schemas.errors import Misconfigured
from glomar_schemas.files import create
from glomar_schemas.messages import encode
from msgspec import Struct

from tests.support import samples
from tests.unit.requester.test_client import Harness
from tests.unit.requester.world import Reply, a_recall, notice

TOKEN = "a-token-of-the-tests"
ASK = {"reference": "H-1", "first_name": "Marisol", "last_name": "Ferreira-Canary", "officer_id": "OFF-001"}


class Response(Struct):
    status: int
    headers: dict[str, str]
    body: Any


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path / "store.db")


async def call(
    api: Api, method: str, path: str, body: object = None, token: str | None = TOKEN, **headers: str
) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    events: list[Message] = []
    half = len(raw) // 2
    parts: Iterator[Message] = iter([{"body": raw[:half], "more_body": True}, {"body": raw[half:]}])

    async def receive() -> Message:
        return {"type": "http.request", **next(parts)}

    async def send(event: Message) -> None:
        events.append(event)

    scope = {
        "type": "http",
        "method": method,
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }
    await api(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in events[0]["headers"]}
    return Response(events[0]["status"], found, json.loads(events[1]["body"]))


def run(harness: Harness, *calls: tuple[Any, ...], **headers: str) -> list[Response]:
    async def steps(client: Any) -> list[Response]:
        api = Api(client, hashlib.sha256(TOKEN.encode()).hexdigest())
        return [await call(api, *one, **headers) for one in calls]

    found: list[Response] = harness.run(steps)
    return found


def test_202_means_that_the_stream_has_it(harness: Harness) -> None:
    [response] = run(harness, ("POST", "/v1/requests", ASK))
    request_id = response.body["request_id"]
    assert (response.status, response.headers["location"]) == (202, f"/v1/requests/{request_id}")
    assert samples.SUBJECTS.request(samples.REQUESTER, request_id) in harness.bus.stream


def test_the_result_is_there_to_be_fetched(harness: Harness) -> None:
    async def steps(client: Any) -> Response:
        api = Api(client, hashlib.sha256(TOKEN.encode()).hexdigest())
        accepted = await call(api, "POST", "/v1/requests", ASK)
        while (response := await call(api, "GET", accepted.headers["location"])).status == 202:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return response

    response = harness.run(steps)
    assert response.status == 200
    assert (response.body["outcome"], response.body["reference"]) == ("confirm", "H-1")
    assert response.body["receipt_ok"] is True


def test_a_request_without_a_verdict_is_pending(harness: Harness) -> None:
    harness.bus.answering = False
    [accepted] = run(harness, ("POST", "/v1/requests", ASK))
    [response] = run(harness, ("GET", accepted.headers["location"]))
    assert (response.status, response.body["outcome"]) == (202, "pending")
    assert response.body["witnessed"] is True


def test_an_unknown_request_is_404(harness: Harness) -> None:
    [response] = run(harness, ("GET", f"/v1/requests/{samples.REQUEST_ID}"))
    assert response.status == 404


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", "\xe9"])
def test_nothing_is_answered_without_the_token(harness: Harness, token: str | None) -> None:
    first, second = run(
        harness,
        ("POST", "/v1/requests", ASK, token),
        ("GET", f"/v1/requests/{samples.REQUEST_ID}", None, token),
    )
    assert (first.status, second.status) == (401, 401)
    assert not harness.bus.stream


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({**ASK, "first_name": 5}, ["first_name"]),
        ({**ASK, "tax_periods": [2022, "x"]}, ["tax_periods[1]"]),
        ({**ASK, "last_name": "x" * 101}, ["last_name"]),
        ({**ASK, "nobody": 1}, [""]),
        (b"{", [""]),
        (b"\xff", [""]),
        (b"[]", [""]),
        (b" " * 70_000, [""]),
        ({**ASK, "reason": "Ferreira-Canary\x00"}, [""]),
    ],
)
def test_a_bad_body_is_reported_by_field_and_never_repeated(
    harness: Harness, body: object, fields: list[str]
) -> None:
    [response] = run(harness, ("POST", "/v1/requests", body))
    assert response.status == 400
    assert [error["field"] for error in response.body["errors"]] == fields
    assert "Ferreira" not in json.dumps(response.body)
    assert not harness.bus.stream


def test_the_same_idempotency_key_is_the_same_request(harness: Harness) -> None:
    first, second, third = run(
        harness,
        ("POST", "/v1/requests", ASK),
        ("POST", "/v1/requests", ASK),
        ("POST", "/v1/requests", {**ASK, "last_name": "Another"}),
        idempotency_key="one",
    )
    assert first.body == second.body
    assert third.status == 409
    assert len(harness.bus.stream) == 1


def test_a_lost_bus_is_503_and_the_request_is_not_sent_twice(harness: Harness) -> None:
    harness.bus.away = True
    [response] = run(harness, ("POST", "/v1/requests", ASK), idempotency_key="one")
    assert (response.status, response.headers["retry-after"]) == (503, "5")
    harness.bus.away = False
    [again] = run(harness, ("POST", "/v1/requests", ASK), idempotency_key="one")
    assert again.status == 202
    assert len(harness.bus.stream) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/v1/requests", 405),
        ("DELETE", f"/v1/requests/{samples.REQUEST_ID}", 405),
        ("GET", "/v1/", 404),
        ("GET", "/v1/requests/a/b", 404),
        ("GET", "/v1/requests/", 404),
    ],
)
def test_other_methods_and_paths_do_nothing(harness: Harness, method: str, path: str, status: int) -> None:
    [response] = run(harness, (method, path))
    assert response.status == status


def test_the_token_file_holds_the_token_or_its_hash(tmp_path: Path) -> None:
    wanted = hashlib.sha256(TOKEN.encode()).hexdigest()
    create(tmp_path / "plain", TOKEN.encode() + b"\n")
    create(tmp_path / "hashed", wanted.encode())
    create(tmp_path / "empty", b"\n")
    assert read_token_hash(tmp_path / "plain") == read_token_hash(tmp_path / "hashed") == wanted
    with pytest.raises(Misconfigured):
        read_token_hash(tmp_path / "empty")


def test_a_recalled_answer_is_410_and_the_recall_is_listed(harness: Harness) -> None:
    async def steps(client: Any) -> None:
        api = Api(client, hashlib.sha256(TOKEN.encode()).hexdigest())
        assert (await call(api, "GET", "/v1/recalls")).body == {"recalls": [], "after": 0}
        posted = await call(api, "POST", "/v1/requests", ASK)
        request_id = posted.body["request_id"]
        recall_notice = notice(a_recall(request_id), 7, samples.signer(samples.HOLDER), at=datetime.now(UTC))
        waiting = asyncio.create_task(call(api, "GET", "/v1/recalls?after=0&wait_s=20"))
        await asyncio.sleep(0)
        await client.receive_notice(Reply(client.notices, encode(recall_notice)))

        answer = (await waiting).body
        [recall] = answer["recalls"]
        assert (recall["request_id"], recall["reference"], recall["cause"]) == (
            request_id,
            "H-1",
            "wrong-match",
        )
        assert answer["after"] == recall["number"]
        later = await call(api, "GET", f"/v1/recalls?after={answer['after']}")
        assert later.body == {"recalls": [], "after": answer["after"]}

        found = await call(api, "GET", f"/v1/requests/{request_id}")
        assert (found.status, found.body["outcome"]) == (410, "recalled")

    harness.run(steps)


@pytest.mark.parametrize(
    ("method", "query", "token", "status"),
    [
        ("GET", "?after=x", TOKEN, 400),
        ("GET", "?before=1", TOKEN, 400),
        ("POST", "", TOKEN, 405),
        ("GET", "", "another", 401),
    ],
)
def test_recalls_are_returned_to_correct_queries(
    harness: Harness, method: str, query: str, token: str, status: int
) -> None:
    async def steps(client: Any) -> int:
        api = Api(client, hashlib.sha256(TOKEN.encode()).hexdigest())
        return (await call(api, method, f"/v1/recalls{query}", token=token)).status

    assert harness.run(steps) == status
