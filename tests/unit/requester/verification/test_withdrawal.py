"""Recalled and expired answers, on a bus that refuses and a clock that is set: destroyed and certified."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from glomar_requester import Client, Expired, Recalled, Result
from glomar_requester.store.store import Store
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.errors import Retryable
from glomar_schemas.messages import Ack, Notice, encode
from glomar_schemas.tlog.inclusion_watch import OwnMessage, Publication, own_message

from tests.support import samples
from tests.unit.requester import world
from tests.unit.requester.test_client import Harness, all_of, identity, questions
from tests.unit.requester.world import Reply, a_recall, an_ask, notice

HOLDER = samples.signer(samples.HOLDER)
LIMIT_S = 300.0


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path / "store.db")


def recall_of(request_id: str, sequence: int, party: str = samples.HOLDER) -> Notice:
    return notice(a_recall(request_id), sequence, samples.signer(party), at=datetime.now(UTC))


async def push(client: Client, notice: Notice) -> None:
    await client.receive_notice(Reply(client.notices, encode(notice)))  # type: ignore[arg-type]


def ack(harness: Harness, request_id: str) -> Ack | None:
    subject = samples.SUBJECTS.ack(samples.REQUESTER, request_id)
    _, body = harness.bus.stream.get(subject, (0, b""))
    return open_envelope(body, Ack, subject)[0] if body else None


def test_a_pushed_recall_ends_the_answer(harness: Harness) -> None:
    async def steps(client: Client) -> str:
        result = await client.ask(an_ask(), timeout_s=LIMIT_S, key="k")
        await push(client, recall_of(result.request_id, 7))
        for attempt in (
            lambda: client.result(result.request_id, timeout_s=1),
            lambda: client.peek(result.request_id),
            lambda: client.prove(result.request_id),
            lambda: client.ask(an_ask(), timeout_s=1, key="k"),
        ):
            with pytest.raises(Recalled):
                await attempt()
        assert await client.submit(an_ask(), key="k") == result.request_id
        await client.destroy()
        return result.request_id

    said = ack(harness, harness.run(steps))
    assert said is not None and said.cause == "recall"


def test_a_caller_that_waits_for_an_answer_learns_that_it_was_recalled(harness: Harness) -> None:
    harness.bus.answering = False

    async def steps(client: Client) -> None:
        request_id = await client.submit(an_ask())
        waiting = asyncio.create_task(client.result(request_id, timeout_s=LIMIT_S))
        await asyncio.sleep(0)
        await push(client, recall_of(request_id, 7))
        with pytest.raises(Recalled):
            await waiting
        # A release that was under way comes too late.
        harness.bus.answering = True
        with pytest.raises(Recalled):
            await client.peek(request_id)

    harness.run(steps)


def test_a_file_says_recalled_and_never_the_old_outcome(harness: Harness) -> None:
    async def steps(client: Client) -> list[Result]:
        first = await all_of(client, questions(5))
        await push(client, recall_of(first[2].request_id, 7))
        again = {each.request_id: each for each in await all_of(client, questions(5))}
        return [again[each.request_id] for each in first]

    found = harness.run(steps)
    assert [each.outcome for each in found] == ["confirm", "confirm", "recalled", "confirm", "confirm"]
    assert (found[2].sequence, found[2].receipt_ok, found[2].refusals) == (None, False, ())


def test_missed_notices_are_fetched_page_by_page(harness: Harness) -> None:
    async def steps(client: Client) -> list[str]:
        ids = [await client.submit(an_ask(number)) for number in range(3)]
        harness.bus.notices = [(5 + n, recall_of(each, 5 + n)) for n, each in enumerate(ids)]
        harness.bus.audited = 11
        await client.catch_up()
        for each in ids:
            with pytest.raises(Recalled):
                await client.result(each, timeout_s=1)
        assert [each.request_id for each in await client.recalls_behind(0, timeout_s=1)] == ids
        return ids

    harness.run(steps)
    assert Store(harness.path).notified_through() == 11


def test_a_rejected_notice_delays_no_other_and_is_fetched_again(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        first, second = [await client.submit(an_ask(number)) for number in range(2)]
        harness.bus.notices = [
            (5, recall_of(first, 5, samples.REQUESTER)),
            (6, recall_of(second, 6)),
        ]
        await client.catch_up()
        assert isinstance(await client.result(first, timeout_s=LIMIT_S), Result)
        with pytest.raises(Recalled):
            await client.result(second, timeout_s=1)

    harness.run(steps)
    assert Store(harness.path).notified_through() == 0


def test_recalls_outlive_a_restart_and_a_recall_without_an_answer_is_certified_too(harness: Harness) -> None:
    harness.bus.answering = False

    async def before(client: Client) -> str:
        request_id = await client.submit(an_ask())
        harness.bus.away = True
        await push(client, recall_of(request_id, 7))
        with pytest.raises(Retryable):
            await client.destroy()
        return request_id

    async def after(client: Client) -> None:
        with pytest.raises(Recalled):
            await client.result(request_id, timeout_s=1)
        await client.destroy()

    request_id = harness.run(before)
    assert ack(harness, request_id) is None
    harness.bus.away, harness.bus.answering = False, True
    harness.run(after)
    assert ack(harness, request_id) is not None


def test_an_ack_whose_acknowledgement_was_lost_is_stored_once(harness: Harness) -> None:
    async def steps(client: Client) -> None:
        result = await client.ask(an_ask(), timeout_s=LIMIT_S)
        harness.bus.lose_acks = 1
        await push(client, recall_of(result.request_id, 7))
        async with asyncio.timeout(LIMIT_S):
            # The client does it by itself too, so it is either of them who misses the acknowledgement.
            while harness.bus.lose_acks or Store(harness.path).unacknowledged(1):
                with suppress(Retryable):
                    await client.destroy()
                await asyncio.sleep(0)

    harness.run(steps)
    acks = [body for body in harness.bus.sent if b"vnd.glomar.ack" in body]
    assert len(set(acks)) == 1 and len(acks) >= 2


def test_what_the_stream_took_is_noted_to_be_looked_for_in_the_ledger(
    harness: Harness, tmp_path: Path
) -> None:
    async def steps() -> None:
        nowhere = Publication(str(tmp_path / "no ledger"), every_s=0.01)
        async with Client(harness.bus, identity(), Store(harness.path), ledger=nowhere) as client:
            harness.bus.receive = client.receive
            result = await client.ask(an_ask(), timeout_s=LIMIT_S)
            await push(client, recall_of(result.request_id, 7))
            await client.destroy()

    asyncio.run(steps())
    rows = Store(harness.path).query(lambda db: db.execute("SELECT sequence, digest FROM unseen").fetchall())
    sent = [(*harness.bus.stream[subject], subject) for subject in harness.bus.stream]
    expected = [own_message(sequence, subject, sha256(body).digest()) for sequence, body, subject in sent]
    assert [subject.split(".")[2] for _, _, subject in sent] == ["request", "ack"]
    assert [OwnMessage(*row) for row in rows] == expected


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def on_a_clock(harness: Harness, steps: Callable[[Client, Clock], Any]) -> Any:
    async def inside() -> Any:
        clock = Clock()
        async with Client(harness.bus, identity(), Store(harness.path), clock=clock) as client:
            harness.bus.receive = client.receive
            return await steps(client, clock)

    return asyncio.run(inside())


def test_an_answer_is_stored_until_its_expiry_and_not_longer(harness: Harness) -> None:
    days = timedelta(days=world.signed_agreement().agreement.retention.answer_days)

    async def steps(client: Client, clock: Clock) -> str:
        result = await client.ask(an_ask(), timeout_s=LIMIT_S, key="k")
        assert result.decided_at is not None
        clock.now = result.decided_at + days - timedelta(microseconds=1)
        await client.destroy()
        assert await client.result(result.request_id, timeout_s=1) == result

        clock.now = result.decided_at + days
        # Before any sweep, and after it.
        for sweep in (False, True):
            if sweep:
                await client.destroy()
            for attempt in (
                lambda: client.result(result.request_id, timeout_s=1),
                lambda: client.prove(result.request_id),
                lambda: client.ask(an_ask(), timeout_s=1, key="k"),
            ):
                with pytest.raises(Expired):
                    await attempt()
        return result.request_id

    request_id = on_a_clock(harness, steps)
    said = ack(harness, request_id)
    assert said is not None and said.cause == "expiry"
    found = Store(harness.path).find(request_id)
    assert found is not None and found.release is None


def test_an_answer_that_comes_too_late_is_not_stored(harness: Harness) -> None:
    harness.bus.pushes = False

    async def steps(client: Client, clock: Clock) -> str:
        request_id = await client.submit(an_ask())
        clock.now += timedelta(days=400)
        with pytest.raises(Expired):
            await client.result(request_id, timeout_s=LIMIT_S)
        await client.destroy()
        return request_id

    said = ack(harness, on_a_clock(harness, steps))
    assert said is not None and said.cause == "expiry"


def test_an_answer_of_an_older_store_expires_too(harness: Harness) -> None:
    async def ask(client: Client) -> str:
        return (await client.ask(an_ask(), timeout_s=LIMIT_S)).request_id

    async def later(client: Client, clock: Clock) -> None:
        clock.now += timedelta(days=400)
        await client.destroy()

    request_id = harness.run(ask)
    store = Store(harness.path)
    store._db.execute("UPDATE answered SET kept_until = NULL")
    store.close()
    on_a_clock(harness, later)
    assert ack(harness, request_id) is not None
