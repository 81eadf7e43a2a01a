"""Behaviour of nats-server on which the design depends. These tests fail if an upgrade changes it.

For nats-py and hostile bytes see test_hostile_messages.py, for the rights of parties test_forbidden.py, for
FastStream test_subscribers.py.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import nats
import pytest
from glomar_local import ports
from glomar_local.ports import HOST
from glomar_local.provision.credentials import OPERATOR
from glomar_local.system.open_bus import connected
from glomar_local.system.process import program
from glomar_runtime.bus import topology
from glomar_schemas.errors import IntegrityError
from glomar_schemas.publish import FENCE_STALE, SUBJECT_TAKEN, NotStored, Outgoing, store, store_atomically
from glomar_schemas.subjects import MAX_BATCH, Subjects
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from tests.support.bus import Bus, bare_bus, err_code, settle
from tests.support.wire import header_block

ROOT = "glomar.irs-ice-2025"
NOT_PERMITTED = {"PURGE": 10110, "MSG.DELETE": 10057}
IMMUTABLE = 10052


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with bare_bus(tmp_path_factory.mktemp("traps") / "data") as running:
        yield running


def verdicts(name: str, number: int) -> list[Outgoing]:
    return [Outgoing(f"{ROOT}.verdict.ice.{name}-{n}", b"x", {}) for n in range(number)]


async def refused(storing: Any) -> int:
    with pytest.raises(NotStored) as refusal:
        await storing
    return refusal.value.err_code


def test_the_next_control_slot_fences_a_whole_batch(bus: Bus) -> None:
    async def publish() -> int:
        async with connected(bus.system, "irs") as verifier, connected(bus.system, OPERATOR) as operator:
            await store_atomically(verifier, verdicts("open", 5), empty_slot=f"{ROOT}.control.2")
            await store(operator, Outgoing(f"{ROOT}.control.2", b"hold", {}))
            return await refused(
                store_atomically(verifier, verdicts("held", 5), empty_slot=f"{ROOT}.control.2")
            )

    assert asyncio.run(publish()) == FENCE_STALE
    assert all(bus.at(each.subject) for each in verdicts("open", 5))
    assert not any(bus.at(each.subject) for each in verdicts("held", 5))


def test_one_subject_that_is_taken_refuses_the_whole_batch(bus: Bus) -> None:
    async def publish() -> int:
        async with connected(bus.system, "irs") as verifier:
            await store(verifier, verdicts("taken", 4)[2])
            return await refused(store_atomically(verifier, verdicts("taken", 4)))

    before = bus.last_sequence()
    assert asyncio.run(publish()) == SUBJECT_TAKEN
    assert bus.last_sequence() == before + 1


def test_a_batch_takes_consecutive_sequences(bus: Bus) -> None:
    async def publish() -> list[int]:
        async with connected(bus.system, "irs") as verifier:
            return await store_atomically(verifier, verdicts("consecutive", MAX_BATCH))

    sequences = asyncio.run(publish())

    subjects = []
    for sequence in sequences:
        stored = bus.message({"seq": sequence})
        assert stored is not None
        subjects.append(stored.subject)
    assert subjects == [each.subject for each in verdicts("consecutive", MAX_BATCH)]


def test_an_unfinished_batch_stores_nothing(bus: Bus) -> None:
    before, attacker = bus.last_sequence(), bus.wire("irs")

    for number in (1, 2, 3):
        batch = header_block(b"Nats-Batch-Id: unfinished", b"Nats-Batch-Sequence: %d" % number)
        attacker.send(f"{ROOT}.verdict.ice.unfinished-{number}".encode(), b"x", batch)
    attacker.settle()

    assert bus.last_sequence() == before


def test_a_subject_stores_one_message_for_ever(bus: Bus) -> None:
    subject = f"{ROOT}.request.ice.once".encode()
    assert bus.wire("ice").ask(subject, b"first")["seq"]

    for body in (b"first", b"second"):
        assert err_code(bus.wire("ice").ask(subject, body)) == SUBJECT_TAKEN

    stored = bus.at(subject.decode())
    assert stored is not None and stored.body == b"first"


@pytest.mark.parametrize("verb", NOT_PERMITTED)
def test_not_even_the_operator_removes_a_message(bus: Bus, verb: str) -> None:
    body = {"seq": 1} if verb == "MSG.DELETE" else None

    answer = bus.operate(f"STREAM.{verb}.{bus.subjects.stream}", body)

    assert err_code(answer) == NOT_PERMITTED[verb]
    assert bus.message({"seq": 1}) is not None


@pytest.mark.parametrize("setting", ["deny_delete", "deny_purge"])
def test_not_even_the_operator_allows_removal_again(bus: Bus, setting: str) -> None:
    changed = topology.stream_config(bus.subjects) | {setting: False}

    assert err_code(bus.operate(f"STREAM.UPDATE.{bus.subjects.stream}", changed)) == IMMUTABLE


def test_the_stream_deletes_nothing(bus: Bus) -> None:
    config = bus.operate(f"STREAM.INFO.{bus.subjects.stream}")["config"]

    assert config["max_age"] == 0
    assert (config["max_msgs"], config["max_bytes"], config["max_msgs_per_subject"]) == (-1, -1, 1)
    assert (config["discard"], config["discard_new_per_subject"]) == ("new", True)
    assert not config["allow_msg_ttl"] and not config["allow_rollup_hdrs"]


def test_every_acknowledged_message_is_on_disk(bus: Bus) -> None:
    """`sync_interval: always`. No API of the server shows it, so the configuration file is read."""
    conf = bus.system.layout.nats_conf.read_text(encoding="utf-8")

    assert "sync_interval: always" in conf


OTHER_SETTINGS: list[dict[str, Any]] = [
    {"max_age": 3600 * 10**9, "duplicate_window": 10**9},
    {"deny_delete": False},
    {"deny_purge": False},
    {"discard": "old", "discard_new_per_subject": False},
    {"discard_new_per_subject": False},
    {"max_msgs_per_subject": 2},
    {"max_msgs": 10},
    {"max_bytes": 10**6},
    {"max_msg_size": 10**6},
    {"allow_direct": False},
    {"allow_atomic": False},
    {"allow_msg_ttl": True},
    {"storage": "memory"},
    {"republish": {"src": ">", "dest": "copied.>"}},
    {"subject_transform": {"src": ">", "dest": "transformed.>"}},
]


@pytest.mark.parametrize("number", range(len(OTHER_SETTINGS)), ids=lambda n: ",".join(OTHER_SETTINGS[n]))
def test_a_stream_with_other_settings_is_refused(bus: Bus, number: int) -> None:
    other, subjects = OTHER_SETTINGS[number], Subjects(f"other-{number}")
    made = bus.operate(f"STREAM.CREATE.{subjects.stream}", {**topology.stream_config(subjects), **other})
    assert not err_code(made), made

    async def create() -> None:
        async with connected(bus.system, OPERATOR) as operator:
            await topology.create(operator, subjects)

    with pytest.raises(IntegrityError, match=f"other settings of .*{next(iter(other))}"):
        asyncio.run(create())


def test_a_consumer_with_other_settings_is_refused(bus: Bus) -> None:
    subjects = Subjects("other-consumer")
    bus.operate(f"STREAM.CREATE.{subjects.stream}", topology.stream_config(subjects))
    [(name, config), *_] = topology.consumer_configs(subjects).items()
    other = {"durable_name": name, "name": name, **config, "max_deliver": 3}
    path = f"CONSUMER.CREATE.{subjects.stream}.{name}.{config['filter_subject']}"
    made = bus.operate(path, {"stream_name": subjects.stream, "config": other})
    assert not err_code(made), made

    async def create() -> None:
        async with connected(bus.system, OPERATOR) as operator:
            await topology.create(operator, subjects)

    with pytest.raises(IntegrityError, match="other settings of max_deliver"):
        asyncio.run(create())


def test_creating_an_existing_stream_changes_nothing(bus: Bus) -> None:
    before = bus.operate(f"STREAM.INFO.{bus.subjects.stream}")

    async def create() -> None:
        async with connected(bus.system, OPERATOR) as operator:
            await topology.create(operator, bus.subjects)

    asyncio.run(create())
    after = bus.operate(f"STREAM.INFO.{bus.subjects.stream}")
    assert (after["config"], after["created"], after["state"]) == (
        before["config"],
        before["created"],
        before["state"],
    )


ACCOUNTS = """\
listen: 127.0.0.1:{port}
jetstream {{ store_dir: "{store}" }}
accounts {{
  BUS: {{ jetstream: enabled, users: [{{user: bus, password: x}}], exports: [
    {{service: "$JS.API.CONSUMER.MSG.NEXT.S.c", response_type: stream, response_threshold: "45s"}} ] }}
  PARTY: {{ users: [{{user: party, password: x}}], imports: [
    {{service: {{account: BUS, subject: "$JS.API.CONSUMER.MSG.NEXT.S.c"}},
      to: "BUS.API.CONSUMER.MSG.NEXT.S.c"}} ] }}
}}
"""


@asynccontextmanager
async def pulling(folder: Path, bodies: list[bytes]) -> AsyncIterator[list[Msg]]:
    """The messages of a pull from another account's consumer, through an exported service."""
    port = ports.free().bus
    conf = folder / "accounts.conf"
    conf.write_text(ACCOUNTS.format(port=port, store=folder / "store"), encoding="utf-8")
    server = await asyncio.create_subprocess_exec(
        program("nats-server"), "--config", str(conf), "--log", str(folder / "log")
    )
    try:
        bus, party = await _client(port, "bus"), await _client(port, "party")
        await bus.jetstream().add_stream(name="S", subjects=["s.*"])
        await bus.jetstream().add_consumer("S", durable_name="c", ack_policy="explicit")
        for number, body in enumerate(bodies):
            await bus.jetstream().publish(f"s.{number}", body)
        received: list[Msg] = []
        inbox, ended = party.new_inbox(), asyncio.Event()

        async def note(message: Msg) -> None:
            received.append(message)
            if message.subject == inbox or len(received) == len(bodies):
                ended.set()

        await party.subscribe(inbox, cb=note)
        await settle(party)
        pull = {"batch": len(bodies), "expires": 2 * 10**9}
        await party.publish("BUS.API.CONSUMER.MSG.NEXT.S.c", json.dumps(pull).encode(), reply=inbox)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 10)
        yield [message for message in received if message.subject != inbox]
        for client in (bus, party):
            await client.close()
    finally:
        server.terminate()
        await server.wait()


async def _client(port: int, user: str) -> Client:
    deadline = asyncio.get_running_loop().time() + 20
    while True:
        try:
            return await nats.connect(
                f"nats://{user}:x@{HOST}:{port}", allow_reconnect=False, error_cb=_silent
            )
        except (NatsError, OSError):
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)


async def _silent(_: Exception) -> None:
    return None


def test_the_api_imported_under_another_prefix_answers_pulls(tmp_path: Path) -> None:
    async def subjects() -> list[str]:
        async with pulling(tmp_path, [b"x"] * 5) as messages:
            return [message.subject for message in messages]

    assert asyncio.run(subjects()) == [f"s.{number}" for number in range(5)]


def test_an_empty_body_ends_a_pull_across_accounts(tmp_path: Path) -> None:
    """Why consumers are pushed (docs/adr/0003). If this fails, the server has fixed it."""

    async def subjects() -> list[str]:
        async with pulling(tmp_path, [b"x", b"x", b"", b"x", b"x"]) as messages:
            return [message.subject for message in messages]

    assert asyncio.run(subjects()) == ["s.0", "s.1", "s.2"]
