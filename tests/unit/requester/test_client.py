"""The client on a bus that refuses, loses and lies: nothing accepted is lost, no request is sent twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import glomar_requester
import pytest
from glomar_auditor.ledger.ledger import Ledger
from glomar_requester import Ask, Client, Conflict, Question
from glomar_requester.ask import RequestRecord
from glomar_requester.client import UnknownRequest
from glomar_requester.identity import Identity, make_identity
from glomar_requester.store.store import Store
from glomar_requester.verification.release import Result
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.errors import IntegrityError, Refused, Retryable, TimedOut, Unreachable
from glomar_schemas.keys import KeyRecord, public_text
from glomar_schemas.messages import Request
from glomar_schemas.publish import NotStored
from glomar_schemas.subjects import MAX_BATCH
from glomar_schemas.tlog.inclusion_watch import Publication
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.receipt import leaf_within

from tests.support import samples
from tests.unit.requester import world
from tests.unit.requester.world import FakeBus, an_ask

T = TypeVar("T")


@cache
def identity() -> Identity:
    """With keys that are valid now, since the client reads the clock."""
    return make_identity(
        samples.REQUESTER,
        world.signed_agreement(datetime.now(UTC) - timedelta(days=600)),
        samples.signer(samples.REQUESTER),
        samples.sealing_key(samples.REQUESTER),
        defaults=world.DEFAULTS,
    )


class Harness:
    """A bus and the file of a store, for one client after another."""

    def __init__(self, path: Path, bus: FakeBus | None = None) -> None:
        self.bus = bus or FakeBus()
        self.path = path

    @property
    def identity(self) -> Identity:
        return identity()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with Client(self.bus, self.identity, Store(self.path)) as client:
            self.bus.receive = client.receive
            yield client

    def run(self, steps: Any) -> Any:
        async def inside() -> Any:
            async with self.client() as client:
                return await steps(client)

        return asyncio.run(inside())


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path / "store.db")


def questions(count: int) -> list[Question]:
    return [Question(an_ask(number), key=f"file:{number}") for number in range(count)]


async def all_of(client: Client, questions: list[Question], timeout_s: float = 5.0) -> list[Result]:
    return [result async for result in client.ask_many(questions, timeout_s=timeout_s)]


def outcomes(results: list[Result]) -> set[str]:
    return {result.outcome for result in results}


def test_the_public_names_are_exactly_these() -> None:
    assert glomar_requester.__all__ == [
        *("Ask", "Client", "Conflict", "Expired", "Profile", "Question", "Recalled", "Result")
    ]


def test_an_answer_whose_receipt_is_of_another_ledger_than_the_published_one_is_an_alert(
    harness: Harness, tmp_path: Path
) -> None:
    published = Ledger.open(
        tmp_path / "ledger",
        samples.signing_key(samples.OVERSIGHT, "ledger"),
        samples.SUBJECTS.origin(samples.OVERSIGHT),
    )
    published.append([Leaf(n, n, f"{samples.SUBJECTS.root}.control.{n}", bytes(32)) for n in range(1, 10)])
    published.close()

    async def steps() -> None:
        ledger = Publication(str(tmp_path / "ledger"), every_s=0.01)
        async with Client(harness.bus, identity(), Store(harness.path), ledger=ledger) as client:
            harness.bus.receive = client.receive
            result = await client.ask(an_ask(), timeout_s=5.0)
            assert result.receipt_ok
            while "rewritten" not in client.ledger.fault:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert client.ledger.state == "alert"

    asyncio.run(asyncio.wait_for(steps(), 30))


def test_a_request_is_sealed_to_the_key_that_a_control_has_added(harness: Harness) -> None:
    now = datetime.now(UTC)
    added = KeyRecord(
        party=samples.HOLDER,
        use="seal",
        public=public_text(samples.sealing_key("next epoch").public_key()),
        valid_from=now - timedelta(seconds=5),
        valid_until=now + timedelta(days=60),
    )
    signers = world.officials(samples.HOLDER, samples.REQUESTER)
    controls = [world.a_control(1, "agreement"), world.a_control(2, "key", key=added)]
    at = now - timedelta(seconds=10)

    async def steps(client: Client) -> str:
        harness.bus.notices = [(n, world.notice(c, n, *signers, at=at)) for n, c in enumerate(controls, 5)]
        await client.catch_up()
        return await client.submit(an_ask())

    first, second = harness.run(steps), harness.run(lambda client: client.submit(an_ask()))
    for request_id in (first, second):
        subject = samples.SUBJECTS.request(samples.REQUESTER, request_id)
        request, _ = open_envelope(harness.bus.stream[subject][1], Request, subject)
        assert request.particulars.key_id == added.key_id


def test_a_cancellation_that_is_swallowed_does_not_hold_up_the_end(harness: Harness) -> None:
    """As asyncio.wait_for does it in Python 3.11, when the reply comes at the same moment."""
    swallowed: list[str] = []
    request = harness.bus.request

    async def swallowing(subject: str, *arguments: Any, **options: Any) -> Any:
        if subject == samples.SUBJECTS.notices(samples.REQUESTER) and not swallowed:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(subject)
        return await request(subject, *arguments, **options)

    harness.bus.request = swallowing  # type: ignore[method-assign]

    async def steps(client: Client) -> None:
        await client.submit(an_ask())

    async def limited() -> None:
        async with asyncio.timeout(10):
            async with harness.client() as client:
                await steps(client)

    asyncio.run(limited())
    assert len(swallowed) == 1


def test_ask_gives_the_verified_answer(harness: Harness) -> None:
    result = harness.run(lambda client: client.ask(an_ask(), timeout_s=5))
    assert (result.outcome, result.reference, result.receipt_ok) == ("confirm", "R-1", True)
    assert len(result.trace_id) == 32


def test_submit_returns_only_what_the_stream_has(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        request_id = await client.submit(an_ask())
        assert samples.SUBJECTS.request(samples.REQUESTER, request_id) in harness.bus.stream

    harness.run(steps)


def test_submit_raises_when_the_bus_is_away_and_the_same_bytes_follow_later(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        harness.bus.away = True
        with pytest.raises(Unreachable):
            await client.submit(an_ask())
        harness.bus.away = False
        assert await client.resend() == 1
        assert await client.resend() == 0

    harness.run(steps)
    assert len(harness.bus.stream) == 1


def test_a_lost_acknowledgement_stores_the_request_once(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        harness.bus.lose_acks = 1
        with pytest.raises(TimedOut):
            await client.submit(an_ask())
        assert await client.resend() == 1

    harness.run(steps)
    assert len(harness.bus.stream) == 1
    assert harness.bus.sent[0] == harness.bus.sent[1]


def test_other_bytes_under_the_same_id_are_a_conflict(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        harness.bus.away = True
        with pytest.raises(Unreachable):
            await client.submit(an_ask(), key="k")
        harness.bus.away = False
        [prepared] = Store(harness.path).unfinished("", "f", 1)
        slot = samples.SUBJECTS.request(samples.REQUESTER, prepared.request.request_id)
        harness.bus.stream[slot] = (1, b"somebody else's")
        with pytest.raises(Conflict):
            await client.submit(an_ask(), key="k")
        found = await client.peek(prepared.request.request_id)
        assert isinstance(found, Result) and found.outcome == "rejected"

    harness.run(steps)


def test_the_same_key_is_the_same_request(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        first = await client.submit(an_ask(), key="k")
        assert await client.submit(an_ask(), key="k") == first
        assert await client.submit(an_ask()) != first
        with pytest.raises(Conflict):
            await client.submit(an_ask(2), key="k")

    harness.run(steps)
    assert len(harness.bus.stream) == 2


def test_the_same_key_at_the_same_time_is_the_same_request(harness: Harness) -> None:
    async def steps(client: Client) -> set[str]:
        return set(await asyncio.gather(*(client.submit(an_ask(), key="k") for _ in range(5))))

    assert len(harness.run(steps)) == 1
    assert len(harness.bus.stream) == 1


def test_many_are_stored_in_batches_and_all_answered(harness: Harness) -> None:
    results = harness.run(lambda client: all_of(client, questions(2 * MAX_BATCH + 50)))
    assert outcomes(results) == {"confirm"}
    assert len({result.request_id for result in results}) == len(results) == 2 * MAX_BATCH + 50
    assert harness.bus.store == 3


@pytest.mark.parametrize("err_code", [10176, 10023, 10164])
def test_a_refused_batch_is_stored_one_by_one(harness: Harness, err_code: int) -> None:
    harness.bus.refuse[err_code] = 1
    results = harness.run(lambda client: all_of(client, questions(30)))
    assert outcomes(results) == {"confirm"}
    assert len(harness.bus.stream) == 30


def test_a_batch_whose_acknowledgement_was_lost_is_not_sent_twice(harness: Harness) -> None:
    harness.bus.lose_acks = 1
    results = harness.run(lambda client: all_of(client, questions(30)))
    assert outcomes(results) == {"confirm"}
    assert len(harness.bus.stream) == 30


def test_the_same_file_again_asks_nothing_and_gives_the_same_answers(harness: Harness) -> None:
    def by_id(results: list[Result]) -> list[Result]:
        return sorted(results, key=lambda result: result.request_id)

    first = harness.run(lambda client: all_of(client, questions(30)))
    sent = len(harness.bus.sent)
    second = harness.run(lambda client: all_of(client, questions(30)))
    assert by_id(first) == by_id(second)
    assert len(harness.bus.sent) == sent


def test_a_file_goes_on_where_a_crash_left_it(harness: Harness) -> None:
    harness.run(lambda client: all_of(client, questions(10)))
    results = harness.run(lambda client: all_of(client, questions(30)))
    assert outcomes(results) == {"confirm"}
    assert len(harness.bus.stream) == 30


def test_what_is_not_answered_in_time_is_unanswered_and_comes_with_the_next_run(harness: Harness) -> None:
    harness.bus.answering = False
    results = harness.run(lambda client: all_of(client, questions(5), timeout_s=0.2))
    assert outcomes(results) == {"unanswered"}
    harness.bus.answering = True
    # No push arrives for what was stored before: the auditor is queried.
    results = harness.run(lambda client: all_of(client, questions(5), timeout_s=20))
    assert outcomes(results) == {"confirm"}
    assert len(harness.bus.stream) == 5


def test_a_missed_push_is_fetched(harness: Harness) -> None:
    harness.bus.pushes = False

    async def steps(client: Client) -> Result:
        return await client.result(await client.submit(an_ask()), timeout_s=5)

    assert harness.run(steps).outcome == "confirm"


def test_peek_does_not_wait(harness: Harness) -> None:
    harness.bus.answering = False

    async def steps(client: Client) -> None:
        request_id = await client.submit(an_ask())
        assert isinstance(await client.peek(request_id), RequestRecord)
        harness.bus.answering = True
        found = await client.peek(request_id)
        assert isinstance(found, Result) and found.outcome == "confirm"

    harness.run(steps)


def test_a_result_that_does_not_come_is_a_timeout(harness: Harness) -> None:
    harness.bus.answering = False

    async def steps(client: Client) -> None:
        with pytest.raises(TimedOut):
            await client.ask(an_ask(), timeout_s=0.1)

    harness.run(steps)


def test_an_unknown_id_is_reported_at_once(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        with pytest.raises(UnknownRequest):
            await client.result(samples.REQUEST_ID, timeout_s=1)

    harness.run(steps)


def test_a_damaged_push_is_dropped_and_the_true_release_fetched(harness: Harness) -> None:
    releases = 0

    def spoil_once(raw: bytes) -> bytes:
        nonlocal releases
        releases += 1
        return raw if releases > 1 else raw.replace(b"a", b"b", 1)

    harness.bus.spoil = spoil_once

    async def steps(client: Client) -> Result:
        request_id = await client.submit(an_ask())
        await asyncio.sleep(0.01)
        return await client.result(request_id, timeout_s=5)

    assert harness.run(steps).outcome == "confirm"


def test_a_release_that_fails_its_checks_is_no_answer(harness: Harness) -> None:
    harness.bus.spoil = lambda raw: raw[:-20] + raw[-20:].replace(b"A", b"B")[::-1]

    async def steps(client: Client) -> None:
        request_id = await client.submit(an_ask())
        with pytest.raises(IntegrityError):
            await client.result(request_id, timeout_s=5)
        with pytest.raises(Refused):
            await client.prove(request_id)

    harness.run(steps)


def test_in_a_file_the_others_are_answered_and_then_the_fault_is_raised(harness: Harness) -> None:
    harness.bus.pushes = False
    first: list[bytes] = []

    def spoil_first(raw: bytes) -> bytes:
        if not first:
            first.append(raw)
            return b"{}"
        return raw

    harness.bus.spoil = spoil_first

    async def steps(client: Client) -> list[Result]:
        found = []
        with pytest.raises(IntegrityError):
            async for result in client.ask_many(questions(5), timeout_s=20):
                found.append(result)
        return found

    results = harness.run(steps)
    assert sorted(result.outcome for result in results) == ["confirm"] * 4 + ["unanswered"]


def test_prove_checks_the_stored_answer_again(harness: Harness) -> None:
    async def steps(client: Client) -> Any:
        result = await client.ask(an_ask(), timeout_s=5)
        return await client.prove(result.request_id)

    proof = harness.run(steps)
    assert proof.result.outcome == "confirm"
    assert proof.receipt.startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert leaf_within(proof.receipt).body_sha256.hex() == proof.body_sha256
    assert proof.checkpoint.origin == samples.SUBJECTS.origin(samples.OVERSIGHT)


def test_a_bus_that_stays_away_ends_a_file_with_an_error_and_loses_nothing(harness: Harness) -> None:
    harness.bus.away = True

    async def steps(client: Client) -> None:
        with pytest.raises(Retryable):
            await all_of(client, questions(300), timeout_s=0.5)

    harness.run(steps)
    harness.bus.away = False
    assert outcomes(harness.run(lambda client: all_of(client, questions(300)))) == {"confirm"}
    assert len(harness.bus.stream) == 300


def test_submit_many_stores_all_and_waits_for_no_answer(harness: Harness) -> None:
    harness.bus.answering = False
    ids = harness.run(lambda client: client.submit_many(questions(250)))
    assert len(set(ids)) == len(harness.bus.stream) == 250


def test_a_stream_that_accepts_nothing_is_reported_by_its_error(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        harness.bus.full = True
        with pytest.raises(NotStored):
            await client.submit_many(questions(3), timeout_s=0.3)

    harness.run(steps)


def test_answers_and_particulars_are_not_in_the_store(harness: Harness) -> None:
    harness.run(lambda client: client.ask(Ask(last_name="Quandt-Canary", officer_id="O"), timeout_s=5))
    raw = b"".join(path.read_bytes() for path in harness.path.parent.iterdir())
    assert b"Quandt-Canary" not in raw
    assert b"confirm" not in raw
    assert b"tlog-proof" not in raw
