"""A kill between two steps that belong together: within a batch, and between ledger and release."""

import asyncio
import hashlib
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from glomar_local.demo.answers import fetch, identity_of
from glomar_local.provision.credentials import OPERATOR
from glomar_local.provision.provision import System
from glomar_local.system.open_bus import connected
from glomar_schemas.publish import Outgoing, store_atomically
from glomar_schemas.subjects import BATCH_COMMIT, BATCH_ID, BATCH_SEQUENCE

from tests.faults import dying_auditor
from tests.faults.evidence import contradictions, gather, ledger_size, require_consistent, stream_messages
from tests.faults.request_files import RequestFile
from tests.faults.submission import Submission
from tests.support.polling import until
from tests.support.service_processes import BUS, Processes

BATCH = 200
RELEASED_BEFORE = 37
"""Not at the end of a batch."""


def outgoing(system: System, number: int) -> list[Outgoing]:
    """Any bodies: the test reads only the stream."""
    subjects = [system.subjects.request(system.agency, f"in-batch-{n}") for n in range(number)]
    return [Outgoing(subject, subject.encode() * 20, {}) for subject in subjects]


async def publish_part(system: System, messages: Sequence[Outgoing], sent: int) -> None:
    """The first `sent` messages of a batch. The last one requests the commit; no reply is awaited."""
    async with connected(system, system.agency) as bus:
        for number, message in enumerate(messages[:sent], start=1):
            headers = {BATCH_ID: "interrupted", BATCH_SEQUENCE: str(number)}
            if number == len(messages):
                headers[BATCH_COMMIT] = "1"
            await bus.publish(message.subject, message.body, reply=bus.new_inbox(), headers=headers)
        await bus.flush()


async def stored_digests(system: System) -> list[bytes]:
    """SHA-256 of all requests in the stream."""
    async with connected(system, OPERATOR, limit_s=20) as admin:
        messages = await stream_messages(admin, system.subjects)
    return [leaf.body_sha256 for leaf in messages if ".request." in leaf.subject]


@pytest.mark.parametrize("sent", [1, BATCH // 2, BATCH - 1, BATCH])
def test_a_batch_interrupted_by_a_killed_server_is_stored_whole_or_not_at_all(
    processes: Processes, sent: int
) -> None:
    system, messages = processes.system, outgoing(processes.system, BATCH)
    wanted = [hashlib.sha256(message.body).digest() for message in messages]
    processes.start_bus()

    asyncio.run(publish_part(system, messages, sent))
    processes.kill(BUS)
    processes.start_bus()

    found = asyncio.run(stored_digests(system))
    assert found in ([], wanted), f"{len(found)} of {BATCH} are stored"
    assert sent == BATCH or not found
    if not found:
        asyncio.run(store_again(system, messages))
        assert asyncio.run(stored_digests(system)) == wanted


async def store_again(system: System, messages: Sequence[Outgoing]) -> None:
    async with connected(system, system.agency) as bus:
        await store_atomically(bus, messages)


def test_a_client_whose_batch_was_interrupted_sends_each_row_once(
    processes: Processes, request_file: RequestFile
) -> None:
    """The bus is killed before any answer, so most likely while the first batches are sent."""
    processes.start_all()
    with Submission(processes.system, request_file) as submission:
        stored = random.Random(BATCH).randrange(2, 3 * BATCH)
        until(lambda: ledger_size(processes.system) > stored, f"{stored} messages are in the ledger")
        processes.kill(BUS)
        processes.start_bus()

        require_consistent(processes.system, submission.results(), request_file.truths)


def test_answers_recorded_but_never_pushed_can_be_fetched(
    processes: Processes, small_file: RequestFile
) -> None:
    processes.start_all()
    system = processes.system
    processes.stop("auditor")
    config = str(system.layout.settings("auditor"))
    script = str(Path(dying_auditor.__file__))
    processes.start("auditor", (sys.executable, script, str(RELEASED_BEFORE), "serve", "--config", config))
    processes.until_ready("auditor")

    with Submission(system, small_file) as submission:
        assert processes.exit_code("auditor") == -signal.SIGKILL
        recorded = ledger_size(system)
        assert recorded > RELEASED_BEFORE
        processes.start("auditor")

        results = submission.results()

    require_consistent(system, results, small_file.truths)
    by_sequence = sorted(results, key=lambda row: int(row["sequence"]))
    unpushed = [row for row in by_sequence if int(row["sequence"]) <= recorded][RELEASED_BEFORE:]
    assert unpushed, "every recorded verdict had been released"
    found = asyncio.run(gather(system, results, small_file.truths))
    assert not contradictions(found, system.subjects)
    assert asyncio.run(
        can_be_fetched(system, unpushed, {x.subject: x.body_sha256.hex() for x in found.stored})
    )


async def can_be_fetched(system: System, rows: Sequence[dict[str, str]], digests: dict[str, str]) -> bool:
    """By a `result` query of the test, without the client and its store."""
    identity = identity_of(system)
    async with connected(system, system.agency) as bus:
        for row in rows:
            digest = digests[system.subjects.request(system.agency, row["request_id"])]
            proven = await fetch(bus, identity, row["request_id"], digest)
            if proven is None or proven.result.outcome != row["outcome"]:
                return False
    return True
