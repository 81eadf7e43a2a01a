"""An agency sends bytes that no client library sends: each message is denied, other requests are answered."""

import asyncio
import contextlib
import hashlib
import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from glomar_local.ports import HOST
from glomar_runtime.bus.connection import BusClient, plain_subject
from glomar_runtime.bus.feed import Feed
from glomar_schemas.subjects import MAX_MESSAGE_BYTES, is_request_id
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError

from tests.support.bus import Bus, bare_bus, settle
from tests.support.recorded import await_ledger, await_verdicts, leaves_of, open_verdict
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.running_system import RunningSystem, system_of
from tests.support.wire import header_block

AGENCY = "ice"
UNSENDABLE = b"\t\n ."
"""Bytes that end a line or a subject."""

TOKENS = {
    "not UTF-8": b"hostile-\xff\xfe",
    "half a surrogate pair": b"hostile-\xed\xa0\x80",
    "overlong": b"hostile-\xc0\xaf",
    "not ASCII": "hostile-é".encode(),
    "vertical tab": b"hostile-1\x0b2",
    "vertical tab at the end": b"hostile-1\x0b",
    "form feed at the end": b"hostile-1\x0c",
    "carriage return": b"hostile-1\r2",
    "carriage return at the end": b"hostile-1\r",
    "a protocol line": b"hostile-1\x0b1\x0breply\x0b0\r",
    "NUL": b"hostile-\x00",
    "delete": b"hostile-\x7f",
    "every wildcard": b"*",
    "the rest": b">",
    "the subject of another's verdict": b"~1",
    "4 KB": b"L" * 3900,
    "65 characters": b"L" * 65,
}
HEADERS = {
    "no header": b"hostile!",
    "one byte": b"h",
    "only the version": b"NATS/1.0",
    "not ended": b"NATS/1.0 404",
    "NULs": bytes(12),
    "bytes": b"\xff" * 40,
    "blank lines": b"\r\n" * 10,
    "no messages": b"NATS/1.0 404 No Messages\r\n\r\n",
    "heartbeat": b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
    "no responders": b"NATS/1.0 503\r\n\r\n",
    "consumer deleted": b"NATS/1.0 409 Consumer Deleted\r\nNats-Pending-Messages: 99999\r\n\r\n",
    "status not UTF-8": b"NATS/1.0 \xff\xfe\xfd\r\n\r\n",
    "description not UTF-8": b"NATS/1.0 404 \xff\xff\r\n\r\n",
    "name not UTF-8": header_block(b"\xff\xff: \xfe"),
    "huge traceparent": header_block(b"traceparent: " + b"0" * 60_000),
    "wrong traceparent": header_block(b"traceparent: 00-xyz-\xff-01"),
    "two traceparents": header_block(b"traceparent: a", b"traceparent: b"),
    "a thousand headers": header_block(*(b"n%d: v" % number for number in range(1_000))),
    "the server's own": header_block(b"Nats-Sequence: 1", b"Nats-Subject: x", b"Nats-Stream: x"),
    "content type": header_block(b"content-type: application/x-python-pickle"),
}
BODIES = {
    "nothing": b"",
    "64 KiB": b"x" * MAX_MESSAGE_BYTES,
    "not UTF-8": b"\xff\xfe\x00",
    "NULs": bytes(1000),
    "deep lists": b"[" * 60_000,
    "deep objects": b'{"a":' * 10_000,
    "a key twice": b'{"payload":"e30=","payload":"e30=","payloadType":"x","signatures":[]}',
    "a huge number": b'{"payload":' + b"9" * 5_000 + b"}",
    "a surrogate": b'"\\ud800"',
    "null": b"null",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a protocol line": b"MSG x 1 0\r\n\r\n-ERR 'x'\r\n",
}


@pytest.fixture(scope="module")
def bus(system: RunningSystem) -> Iterator[Bus]:
    with Bus(system_of(system)) as found:
        yield found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with bare_bus(tmp_path_factory.mktemp("bare") / "data") as running:
        yield running


def request_subject(bus: Bus, token: bytes) -> bytes:
    return bus.subjects.request(AGENCY, "").encode() + token


def hostile() -> Iterator[tuple[bytes, bytes, bytes | None]]:
    """token, body, headers"""
    for token in TOKENS.values():
        yield token, b"hostile", None
    for number, headers in enumerate(HEADERS.values()):
        yield b"hostile-header-%d" % number, b"hostile", headers
    for number, body in enumerate(BODIES.values()):
        yield b"hostile-body-%d" % number, body, None


def test_each_hostile_message_gets_one_denial_and_others_are_answered(
    bus: Bus, system: RunningSystem, tmp_path: Path
) -> None:
    before = system.pids
    attacker = bus.wire(AGENCY)
    used = profile(system.layout, tmp_path / "store.db")
    [first, second] = confirmable(2)

    sent: dict[str, int] = {}
    for token, body, headers in hostile():
        subject = request_subject(bus, token)
        sequence = attacker.ask(subject, body, headers)["seq"]
        text = plain_subject(token)
        sent[text if is_request_id(text) else f"~{sequence}"] = sequence
        if token == TOKENS["carriage return"]:
            assert ask_all(used, [first])[0].outcome == "confirm"
    assert ask_all(used, [first, second])[1].outcome == "confirm"

    assert len(sent) == len(TOKENS) + len(HEADERS) + len(BODIES)
    for text, stored in await_verdicts(bus, AGENCY, sent).items():
        verdict, answer = open_verdict(bus.system, stored, AGENCY)
        assert (answer.outcome, answer.record_consulted) == ("deny", False)
        assert [refusal.condition for refusal in answer.refusals] == ["malformed"]
        assert "hostile" not in answer.refusals[0].message
        request = bus.message({"seq": sent[text]})
        assert request is not None
        assert verdict.request_digest == hashlib.sha256(request.body).hexdigest()
    assert system.pids == before


def test_the_ledger_rebuilt_from_the_streams_api_has_the_same_leaves(bus: Bus) -> None:
    for number, token in enumerate((b"\xfe\xff", b"x\x0b", b"\x00y\r", b"\x7f")):
        bus.wire(AGENCY).ask(request_subject(bus, b"rebuilt-%d-" % number + token), b"hostile")

    leaves = await_ledger(bus)

    assert leaves_of(bus.messages())[: len(leaves)] == leaves


def test_every_request_in_the_ledger_has_one_verdict(bus: Bus) -> None:
    agency = f"{bus.subjects.root}.request.{AGENCY}."
    bus.wire(AGENCY).ask(request_subject(bus, b"counted\xff"), b"hostile")
    requests = {}
    for stored in bus.messages():
        if stored.subject.startswith(agency):
            token = stored.subject.removeprefix(agency)
            requests[token if is_request_id(token) else f"~{stored.sequence}"] = stored

    verdicts = await_verdicts(bus, AGENCY, requests)

    stored_verdicts = [each for each in bus.messages() if ".verdict." in each.subject]
    assert len(verdicts) == len(requests) and len(stored_verdicts) >= len(requests)
    for token, stored in verdicts.items():
        verdict, _ = open_verdict(bus.system, stored, AGENCY)
        assert verdict.request_digest == hashlib.sha256(requests[token].body).hexdigest()


@pytest.mark.parametrize("name", HEADERS)
def test_a_result_query_with_hostile_headers_leaves_the_auditor_able_to_answer(bus: Bus, name: str) -> None:
    query, subject = b'{"type":"result-query","request_id":"nobody"}', bus.subjects.result(AGENCY).encode()
    with bus.new_wire(AGENCY) as attacker:
        attacker.send(subject, query, HEADERS[name], b"_INBOX.\xff\x0b")
        attacker.settle()

    assert bus.wire(AGENCY).ask(subject, query) == {"type": "result-pending", "request_id": "nobody"}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_result_query_leaves_the_auditor_able_to_answer(bus: Bus, name: str) -> None:
    query, subject = b'{"type":"result-query","request_id":"nobody"}', bus.subjects.result(AGENCY).encode()
    attacker = bus.wire(AGENCY)
    attacker.send(subject, BODIES[name], reply=b"_INBOX.nobody")

    assert attacker.ask(subject, query) == {"type": "result-pending", "request_id": "nobody"}


def test_bytes_from_the_wire_and_text_from_the_api_give_the_same_subject(bare: Bus) -> None:
    single = [bytes([byte]) for byte in range(256) if byte not in UNSENDABLE]
    runs = [b"\xff\xfe\x01", b"\xe2\x82", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80\xed\xb0\x80"]
    for number, odd in enumerate([*single, *runs]):
        raw = request_subject(bare, b"%da" % number + odd + b"b" + odd)
        sequence = bare.wire(AGENCY).ask(raw, b"x")["seq"]

        stored = bare.message({"seq": sequence})

        assert stored is not None
        assert stored.subject == plain_subject(raw)


def test_our_client_receives_every_subject_and_header(bare: Bus) -> None:
    async def received() -> list[Msg]:
        client = BusClient()
        await client.connect(**options(bare, "irs"))
        feed = Feed(client, bare.subjects.delivery("verifier"), "verifier")
        await feed.start()
        messages: list[Msg] = []
        while len(messages) < wanted:
            with contextlib.suppress(NatsTimeoutError):
                batch = await feed.fetch(200, 5)
                for message in batch:
                    await message.ack()
                messages += batch
        await client.close()
        return messages

    for number, byte in enumerate(set(range(256)) - set(UNSENDABLE)):
        bare.wire(AGENCY).ask(request_subject(bare, b"client-%d" % number + bytes([byte])), b"x")
    for number, headers in enumerate(HEADERS.values()):
        bare.wire(AGENCY).ask(request_subject(bare, b"client-header-%d" % number), b"body", headers)
    stored = [each for each in bare.messages() if ".request." in each.subject]
    wanted = len(stored)

    messages = asyncio.run(asyncio.wait_for(received(), 30))

    assert [message.subject for message in messages] == [each.subject for each in stored]
    assert [message.data for message in messages] == [each.body for each in stored]


@pytest.mark.parametrize("headers", [b"", b"h", b"NATS/1.0", *HEADERS.values()])
def test_no_header_block_ends_the_read_loop_of_our_client(headers: bytes) -> None:
    found = asyncio.run(BusClient()._process_headers(headers))

    assert found is None or all(isinstance(value, str) for value in found.values())


def test_plain_nats_py_stops_receiving_at_a_subject_that_is_not_utf8(
    bare: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    """If this fails, nats-py has fixed it, and docs/adr/0004 can be reconsidered."""
    caplog.set_level(logging.CRITICAL, "nats")
    caplog.set_level(logging.CRITICAL, "nats.aio.client")

    assert asyncio.run(survives(bare, Client(), b"plain.\xff", limit_s=2)) == (False, [])
    assert asyncio.run(survives(bare, BusClient(), b"plain.\xff")) == (True, ["plain.?"])


def test_plain_nats_py_drops_the_connection_at_a_vertical_tab(bare: Bus) -> None:
    assert asyncio.run(survives(bare, plain_client(), b"plain.1\x0b2", limit_s=2)) == (False, [])
    assert asyncio.run(survives(bare, BusClient(), b"plain.1\x0b2")) == (True, ["plain.1?2"])


def test_plain_nats_py_strips_white_space_at_the_end_of_a_subject(bare: Bus) -> None:
    """A request `1<VT>` would be recorded as the request `1`."""
    assert asyncio.run(survives(bare, plain_client(), b"plain.1\x0b")) == (True, ["plain.1"])
    assert asyncio.run(survives(bare, BusClient(), b"plain.1\x0b")) == (True, ["plain.1?"])


def plain_client() -> Client:
    """nats-py's client with its own parser, without the changes of `glomar_runtime.bus.connection`."""
    found = importlib.util.find_spec("nats.protocol.parser")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    client = Client()
    client._ps = module.Parser(client)
    return client


async def survives(bus: Bus, client: Client, subject: bytes, limit_s: int = 20) -> tuple[bool, list[str]]:
    """Whether a client still works after a message with that subject, and the subjects that it received."""
    received: list[str] = []
    arrived = asyncio.Event()

    async def note(message: Msg) -> None:
        received.append(message.subject)
        arrived.set()

    await client.connect(**options(bus, AGENCY))
    await client.subscribe("plain.*", cb=note)
    await settle(client)
    # With a reply subject, as every message of a stream has one.
    bus.wire(AGENCY).send(subject, b"x", reply=b"reply")
    bus.wire(AGENCY).settle()
    try:
        await client.flush(limit_s)
        await asyncio.wait_for(arrived.wait(), limit_s)
    except (NatsError, TimeoutError):
        return False, received
    finally:
        await client.close()
    return True, received


def options(bus: Bus, party: str) -> dict[str, Any]:
    async def ignore(_: Exception) -> None:
        return None

    return {
        "servers": f"nats://{HOST}:{bus.system.ports.bus}",
        "nkeys_seed": str(bus.system.layout.nkey(party)),
        "allow_reconnect": False,
        "error_cb": ignore,
    }
