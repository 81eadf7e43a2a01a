"""The consistency watch and the recorder on a stream that loses messages between two comparisons."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.recording.consistency import ConsistencyWatch, OriginFile
from glomar_auditor.recording.contradictions import GAP_ATTEMPTS
from glomar_auditor.recording.recorder import Recorder
from glomar_runtime.bus.stream import Stored
from glomar_runtime.bus.topology import stream_config
from glomar_schemas.errors import IntegrityError
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Gap
from msgspec import Struct
from nats.aio.client import Client

SUBJECTS = Subjects("a")
NOT_FOUND = {"error": {"code": 404, "err_code": 10037}}

CREATED = "2026-11-26T19:03:01.471250911Z"


class Reply(Struct):
    data: bytes


class Stream:
    """A stream as its API shows it, and a connection to it. unreadable: counted, but not returned."""

    def __init__(self, number: int) -> None:
        self.stats = {"reconnects": 0}
        self.created = "2026-11-26T19:03:01Z"
        self.config: dict[str, Any] = stream_config(SUBJECTS)
        self.bodies = {sequence: b"%d" % sequence for sequence in range(1, number + 1)}
        self.last = number
        self.unreadable: set[int] = set()

    def stored(self, sequence: int) -> Stored:
        return Stored(sequence, sequence * 10**9, f"glomar.a.request.r.{sequence}", self.bodies[sequence])

    def lose(self, *sequences: int) -> None:
        for sequence in sequences:
            del self.bodies[sequence]

    def cut(self, last: int) -> None:
        """As after a kill -9: later messages are lost, and so are their sequences."""
        self.bodies = {sequence: body for sequence, body in self.bodies.items() if sequence <= last}
        self.last = last
        self.stats["reconnects"] += 1

    def add(self, body: bytes = b"new") -> Stored:
        self.last += 1
        self.bodies[self.last] = body
        return self.stored(self.last)

    async def request(self, subject: str, body: bytes, timeout: float) -> Reply:  # noqa: ASYNC109
        query = json.loads(body or b"{}")
        found = self._info() if ".STREAM.INFO." in subject else self._get(query)
        return Reply(json.dumps(found).encode())

    def _info(self) -> dict[str, Any]:
        first = min(self.bodies, default=self.last + 1)
        deleted = [each for each in range(first, self.last + 1) if each not in self.bodies]
        state = {"messages": len(self.bodies), "first_seq": first, "last_seq": self.last, "deleted": deleted}
        return {"created": self.created, "config": self.config, "state": state}

    def _get(self, query: dict[str, Any]) -> dict[str, Any]:
        readable = sorted(self.bodies.keys() - self.unreadable)
        if "next_by_subj" in query:
            sequence = next((each for each in readable if each >= query["seq"]), 0)
        else:
            sequence = query["seq"]
        if sequence not in readable:
            return NOT_FOUND
        stored = self.stored(sequence)
        data = base64.b64encode(stored.body).decode()
        time = f"1970-01-01T00:00:{sequence:02d}Z"
        return {"message": {"subject": stored.subject, "seq": sequence, "time": time, "data": data}}


class World(Struct):
    """A ledger of ten messages, and the stream that it records."""

    stream: Stream
    ledger: Ledger
    watch: ConsistencyWatch
    recorder: Recorder

    @property
    def client(self) -> Client:
        return cast(Client, self.stream)

    @property
    def kind(self) -> object:
        halted = self.watch.status()["halted"]
        return halted and cast(dict[str, Any], halted)["kind"]

    def compare(self, times: int = 1) -> None:
        """What the app does each second."""

        async def comparisons() -> None:
            for _ in range(times):
                last = await self.watch.compare(self.client)
                if self.watch.may_record:
                    await self.recorder.catch_up(self.client, last)

        asyncio.run(comparisons())

    def bring(self, *arrived: Stored) -> list[int]:
        """Delivered messages -> the sequences that were recorded."""
        recorded: Coroutine[Any, Any, list[Stored]] = self.recorder.record(self.client, arrived)
        return [each.sequence for each in asyncio.run(recorded)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(Ledger.open(tmp_path, Ed25519PrivateKey.generate(), "log")) as ledger:
        watch = ConsistencyWatch(ledger, SUBJECTS, OriginFile(tmp_path, SUBJECTS.stream))
        made = World(Stream(10), ledger, watch, Recorder(ledger, SUBJECTS, watch))
        made.compare()
        assert (ledger.size, made.kind) == (10, None)
        yield made


def test_reused_sequences_are_not_recorded_although_they_continue_after_the_ledger(
    world: World,
) -> None:
    world.stream.cut(4)
    reused = [world.stream.add() for _ in range(8)]

    # In the same second, before any comparison.
    assert world.bring(*reused[-2:]) == []
    assert (world.kind, world.ledger.size) == ("changed", 10)


def test_a_redelivered_message_that_differs_halts_even_on_the_same_connection(world: World) -> None:
    world.stream.bodies[10] = b"other"
    assert world.bring(world.stream.stored(10), world.stream.add()) == []
    assert (world.kind, world.ledger.size) == ("changed", 10)


HARMS: dict[str, tuple[Callable[[Stream], object], str]] = {
    "one removed": (lambda stream: stream.lose(3), "missing"),
    "all removed": (lambda stream: stream.lose(*range(1, 11)), "missing"),
    "the last unreadable": (lambda stream: stream.unreadable.add(10), "unreadable"),
    "cut short": (lambda stream: stream.cut(9), "shorter"),
    "created again": (lambda stream: setattr(stream, "created", "2027"), "recreated"),
    "settings relaxed": (lambda stream: stream.config.update(max_age=1), "settings"),
}


@pytest.mark.parametrize("name", HARMS)
def test_each_harm_halts_at_the_next_look_and_stays_though_it_is_undone(name: str, world: World) -> None:
    harm, kind = HARMS[name]
    harm(world.stream)
    world.compare()
    assert world.kind == kind

    world.stream.__init__(10)  # type: ignore[misc]
    world.compare()
    assert world.kind == kind
    with pytest.raises(Exception, match="releases are halted"):
        asyncio.run(world.watch.check())


def test_under_relaxed_settings_the_ledger_goes_on_until_something_worse_is_seen(world: World) -> None:
    world.stream.config.update(max_age=1)
    world.compare()
    assert world.bring(world.stream.add()) == [11]
    assert (world.watch.is_halted, world.watch.may_record) == (True, True)
    world.stream.lose(11)
    world.compare()
    assert (world.kind, world.watch.may_record) == ("missing", False)


def test_a_lost_message_becomes_a_gap_after_the_last_attempt_and_later_ones_are_recorded(
    world: World,
) -> None:
    world.stream.add()
    world.stream.add()
    world.stream.lose(11)
    world.compare(GAP_ATTEMPTS - 1)
    assert (world.ledger.size, world.kind) == (10, None)
    world.compare(2)
    assert (world.ledger.leaf(10), world.ledger.size) == (Gap(11), 12)
    world.compare()
    assert (world.kind, world.watch.status()["gaps"]) == (None, 1)


def test_a_lost_message_is_no_gap_before_a_later_message_exists(world: World) -> None:
    world.stream.add()
    world.stream.lose(11)
    world.compare(2 * GAP_ATTEMPTS)
    assert (world.ledger.size, world.kind) == (10, None)


def test_a_message_that_is_counted_and_not_handed_out_halts_and_is_no_gap(world: World) -> None:
    world.stream.add()
    world.stream.add()
    world.stream.unreadable.add(11)
    world.compare(2 * GAP_ATTEMPTS)
    assert (world.ledger.size, world.kind) == (10, "unreadable")


def test_a_message_that_comes_after_all_is_recorded(world: World) -> None:
    world.stream.add()
    world.stream.add()
    world.stream.unreadable.add(11)
    world.compare(GAP_ATTEMPTS - 1)
    world.stream.unreadable.clear()
    world.compare(GAP_ATTEMPTS)
    assert (world.ledger.size, world.kind) == (12, None)


def test_a_gap_that_a_restored_store_brings_back_hides_no_other_loss(world: World) -> None:
    world.stream.add()
    world.stream.add()
    world.stream.lose(11)
    world.compare(GAP_ATTEMPTS + 2)
    assert world.ledger.leaf(10) == Gap(11)
    world.stream.bodies[11] = b"11"
    world.stream.lose(5)
    world.stream.stats["reconnects"] += 1
    world.compare()
    assert world.kind == "missing"


def test_it_is_found_again_after_a_start(tmp_path: Path) -> None:
    first = OriginFile(tmp_path, "S_1")
    assert first.created == ""
    first.note(CREATED)
    assert first.created == CREATED
    assert OriginFile(tmp_path, "S_1").created == CREATED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"version":1,"stream":"S_2","created":"2026-11-26T19:03:01Z"}',
        b'{"version":1,"stream":"S_1","created":1}',
        b'{"version":1,"stream":"S_1","created":"2026-11-26T19:03:01Z","more":1}',
    ],
)
def test_what_says_something_else_is_an_integrity_failure_that_names_the_file(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "stream.json").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"stream\.json"):
        OriginFile(tmp_path, "S_1")
