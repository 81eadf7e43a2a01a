"""An agency with a policy: no answer without a quorum of witnesses, and each as soon as there is one."""

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_requester import Client, Question
from glomar_requester.ask import RequestRecord
from glomar_requester.identity import Identity, Quorum
from glomar_requester.store.store import Store
from glomar_requester.verification.release import Result
from glomar_schemas.errors import IntegrityError, TimedOut
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.note import format_vkey
from glomar_schemas.tlog.policy import parse_policy
from msgspec.structs import replace

from tests.support import samples
from tests.support.witness import cosign, format_witness_vkey
from tests.unit.requester import test_client, world
from tests.unit.requester.world import FakeBus, an_ask, sealed

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
FORGER = Ed25519PrivateKey.from_private_bytes(b"f" * 32)
VKEY = format_witness_vkey("witness.example/w1", PRIVATE.public_key())
HOUR_S = 3600.0
PATIENT_S = 60.0
IMPATIENT_S = 1.5
"""Long enough for an answer to come and be judged, also on a busy machine."""


def quorum(*lines: str, rule: str = "w1") -> Quorum:
    text = "\n".join([*lines, f"witness w1 {VKEY}", f"quorum {rule}"])
    return Quorum(parse_policy(text.encode()), max_age_s=HOUR_S)


class WitnessedBus(FakeBus):
    """An auditor whose receipts rest on what a witness cosigned. cosigned: from now on; age_s: when it was;
    by: another key; queries: the number of result queries; made: its releases.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cosigned = False
        self.age_s = 0.0
        self.by = PRIVATE
        self.is_damaged = False
        self.queries = 0
        self.made: dict[str, world.Made] = {}
        self.queried = asyncio.Event()

    def _result(self, request_id: str) -> Any:
        self.queries += 1
        self.queried.set()
        return super()._result(request_id)

    def _release(self, request_id: str) -> bytes:
        _, body = self.stream[samples.SUBJECTS.request(samples.REQUESTER, request_id)]
        request = RequestRecord(request_id, "", "", b"", hashlib.sha256(body).hexdigest(), "", world.NOW)
        now = datetime.now(UTC)
        made = self.made.setdefault(request_id, world.decide(request, decided_at=now))
        receipt = made.release.receipt.decode()
        note = receipts.parse(receipt).checkpoint
        if self.cosigned:
            line = cosign(note, self.by, at=int(now.timestamp() - self.age_s))
            if self.is_damaged:
                line = cosign(note, PRIVATE, at=1)[:-6] + cosign(note, PRIVATE)[-6:]
            receipt += line
        return sealed(made, made.with_release(receipt=receipt.encode()))


class Harness(test_client.Harness):
    bus: WitnessedBus

    def __init__(self, path: Path, used: Quorum | None) -> None:
        super().__init__(path, WitnessedBus())
        self.quorum = used

    @property
    def identity(self) -> Identity:
        return replace(super().identity, quorum=self.quorum)


async def fetching(client: Client) -> Result:
    return await client.result(await client.submit(an_ask()), timeout_s=PATIENT_S)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path / "store.db", quorum())


def an_answer(timeout_s: float = PATIENT_S) -> Any:
    return lambda client: client.ask(an_ask(), timeout_s=timeout_s, key="one")


def test_an_answer_that_the_quorum_cosigned_is_handed_out(harness: Harness) -> None:
    harness.bus.cosigned = True
    assert harness.run(an_answer()).outcome == "confirm"
    assert harness.bus.queries == 0


def test_an_answer_without_the_quorum_is_not_returned_and_the_reason_is_reported(harness: Harness) -> None:
    with pytest.raises(TimedOut, match=r"answered, but .* no quorum among the 0 of 1 witnesses") as found:
        harness.run(an_answer(timeout_s=IMPATIENT_S))
    assert found.value.exit_code == 4
    assert harness.path.stat().st_size
    store = Store(harness.path)
    assert [entry.release for entry in store.by_keys(["one"]).values()] == [None]
    store.close()


def test_http_reports_that_an_answer_waits_for_witnesses(harness: Harness) -> None:
    async def steps(client: Client) -> tuple[bool, bool]:
        request_id = await client.submit(an_ask())
        before = client.lacks_quorum(request_id)
        assert not isinstance(await client.peek(request_id), Result)
        return before, client.lacks_quorum(request_id)

    assert harness.run(steps) == (False, True)


def test_it_is_fetched_again_until_the_quorum_is_there(harness: Harness) -> None:
    async def steps(client: Client) -> Result:
        pending = asyncio.create_task(client.ask(an_ask(), timeout_s=PATIENT_S))
        await harness.bus.queried.wait()
        assert not pending.done()
        harness.bus.cosigned = True
        return await pending

    assert harness.run(steps).outcome == "confirm"
    assert harness.bus.queries >= 2


def test_a_file_waits_for_the_quorum_too(harness: Harness) -> None:
    async def steps(client: Client) -> set[str]:
        async def later() -> None:
            await harness.bus.queried.wait()
            harness.bus.cosigned = True

        waiting = asyncio.create_task(later())
        questions = [Question(an_ask(n), key=f"{n}") for n in range(5)]
        found: set[str] = {result.outcome async for result in client.ask_many(questions, timeout_s=PATIENT_S)}
        await waiting
        return found

    assert harness.run(steps) == {"confirm"}


def test_the_report_of_a_file_lists_answers_without_the_quorum(harness: Harness) -> None:
    async def steps(client: Client) -> list[Result]:
        questions = [Question(an_ask(), key="1")]
        return [result async for result in client.ask_many(questions, timeout_s=IMPATIENT_S)]

    [result] = harness.run(steps)
    assert (result.outcome, result.witnessed) == ("unanswered", False)


@pytest.mark.parametrize(("age_s", "what"), [(2 * HOUR_S, "too old: w1"), (-HOUR_S, "future: w1")])
def test_a_cosignature_that_is_not_fresh_does_not_count(harness: Harness, age_s: float, what: str) -> None:
    harness.bus.cosigned, harness.bus.age_s = True, age_s
    with pytest.raises(TimedOut, match=what):
        harness.run(an_answer(timeout_s=IMPATIENT_S))


def test_a_stored_answer_stays_good_when_its_cosignature_is_old(harness: Harness) -> None:
    harness.bus.cosigned = True
    request_id = harness.run(an_answer()).request_id
    harness.quorum = replace(quorum(), max_age_s=-1.0)
    assert harness.run(lambda client: client.result(request_id, timeout_s=PATIENT_S)).outcome == "confirm"
    assert harness.bus.queries == 0


def test_anothers_cosignature_does_not_count(harness: Harness) -> None:
    harness.bus.cosigned, harness.bus.by = True, FORGER
    with pytest.raises(TimedOut, match="no quorum"):
        harness.run(an_answer(timeout_s=IMPATIENT_S))


def test_a_cosignature_that_does_not_hold_is_an_integrity_failure(harness: Harness) -> None:
    harness.bus.cosigned = harness.bus.is_damaged = True
    harness.bus.pushes = False
    with pytest.raises(IntegrityError, match="cosignature"):
        harness.run(fetching)


def test_a_log_that_the_policy_does_not_list_is_an_integrity_failure(harness: Harness) -> None:
    other = format_vkey(samples.SUBJECTS.origin(samples.OVERSIGHT), FORGER.public_key())
    harness.quorum = quorum(f"log {other}", rule="none")
    harness.bus.pushes = False
    with pytest.raises(IntegrityError, match="no log of the policy"):
        harness.run(fetching)


def test_an_answer_from_before_there_was_a_policy_is_fetched_again_and_replaced(harness: Harness) -> None:
    harness.quorum = None
    request_id = harness.run(an_answer()).request_id
    harness.quorum, harness.bus.cosigned = quorum(), True
    assert harness.run(lambda client: client.result(request_id, timeout_s=PATIENT_S)).outcome == "confirm"
    assert harness.bus.queries == 1

    async def proving(client: Client) -> str:
        return (await client.prove(request_id)).receipt

    receipt = harness.run(proving)
    assert quorum().policy.check_quorum(receipts.parse(receipt).checkpoint).missing == ""
    assert harness.bus.queries == 1


def test_without_a_policy_a_receipt_is_renewed_on_request(harness: Harness) -> None:
    harness.quorum = None

    async def steps(client: Client) -> list[str]:
        result = await client.ask(an_ask(), timeout_s=PATIENT_S)
        before = await client.prove(result.request_id)
        harness.bus.cosigned = True
        await client.result(result.request_id, timeout_s=PATIENT_S, anew=True)
        return [before.receipt, (await client.prove(result.request_id)).receipt]

    before, after = harness.run(steps)
    assert after.startswith(before) and "witness.example/w1" in after.removeprefix(before)


def test_a_renewed_receipt_of_another_entry_is_an_integrity_failure(harness: Harness) -> None:
    harness.quorum = None

    async def steps(client: Client) -> None:
        result = await client.ask(an_ask(), timeout_s=PATIENT_S)
        harness.bus.made.clear()
        with pytest.raises(IntegrityError, match="another leaf"):
            await client.result(result.request_id, timeout_s=PATIENT_S, anew=True)
        assert (await client.prove(result.request_id)).result == result

    harness.run(steps)
