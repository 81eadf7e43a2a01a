"""A process dies between two steps that belong together: in a batch, and between ledger and release."""

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
from tests.faults.data import Asked
from tests.faults.evidence import faults, gather, ledger_size, require_all_well, stream_messages
from tests.faults.processes import BUS, Processes
from tests.faults.submission import submitting
from tests.faults.waiting import until

BATCH = 200
RELEASED_BEFORE = 37
"""Odd enough to lie within a batch."""


def outgoing(system: System, number: int) -> list[Outgoing]:
    """Bodies that nobody reads: only the stream is looked at."""
    subjects = [system.subjects.request(system.agency, f"in-batch-{n}") for n in range(number)]
    return [Outgoing(subject, subject.encode() * 20, {}) for subject in subjects]


async def publish_part(system: System, messages: Sequence[Outgoing], sent: int) -> None:
    """The first `sent` of a batch; the commit is asked for with the last one, but not waited for."""
    async with connected(system, system.agency) as bus:
        for number, message in enumerate(messages[:sent], start=1):
            headers = {BATCH_ID: "torn", BATCH_SEQUENCE: str(number)}
            if number == len(messages):
                headers[BATCH_COMMIT] = "1"
            await bus.publish(message.subject, message.body, reply=bus.new_inbox(), headers=headers)
        await bus.flush()


async def stored_digests(system: System) -> list[bytes]:
    """Of all requests in the stream."""
    async with connected(system, OPERATOR, limit_s=20) as admin:
        messages = await stream_messages(admin, system.subjects)
    return [leaf.body_sha256 for leaf in messages if ".request." in leaf.subject]


@pytest.mark.parametrize("sent", [1, BATCH // 2, BATCH - 1, BATCH])
def test_a_batch_torn_by_a_dying_server_is_stored_whole_or_not_at_all(bare: Processes, sent: int) -> None:
    system, messages = bare.system, outgoing(bare.system, BATCH)
    wanted = [hashlib.sha256(message.body).digest() for message in messages]
    bare.start_bus()

    asyncio.run(publish_part(system, messages, sent))
    bare.kill(BUS)
    bare.start_bus()

    found = asyncio.run(stored_digests(system))
    assert found in ([], wanted), f"{len(found)} of {BATCH} are stored"
    assert sent == BATCH or not found
    if not found:
        asyncio.run(store_again(system, messages))
        assert asyncio.run(stored_digests(system)) == wanted


async def store_again(system: System, messages: Sequence[Outgoing]) -> None:
    async with connected(system, system.agency) as bus:
        await store_atomically(bus, messages)


def test_a_client_whose_batch_was_torn_asks_each_row_once(bare: Processes, asked: Asked) -> None:
    """Killed before anything is answered, so most likely while the first batches are on their way."""
    bare.start_all()
    with submitting(bare.system, asked) as submission:
        begun = random.Random(BATCH).randrange(2, 3 * BATCH)
        until(lambda: ledger_size(bare.system) > begun, f"{begun} messages are in the ledger")
        bare.kill(BUS)
        bare.start_bus()

        require_all_well(bare.system, submission.results(), asked.truths)


def test_answers_recorded_but_never_pushed_are_obtained_by_asking(bare: Processes, few: Asked) -> None:
    bare.start_all()
    system = bare.system
    bare.stop("auditor")
    config = str(system.layout.settings("auditor"))
    script = str(Path(dying_auditor.__file__))
    bare.start("auditor", (sys.executable, script, str(RELEASED_BEFORE), "serve", "--config", config))
    bare.until_ready("auditor")

    with submitting(system, few) as submission:
        assert bare.exit_code("auditor") == -signal.SIGKILL
        recorded = ledger_size(system)
        assert recorded > RELEASED_BEFORE
        bare.start("auditor")

        results = submission.results()

    require_all_well(system, results, few.truths)
    by_sequence = sorted(results, key=lambda row: int(row["sequence"]))
    unpushed = [row for row in by_sequence if int(row["sequence"]) <= recorded][RELEASED_BEFORE:]
    assert unpushed, "every recorded verdict had been released"
    found = asyncio.run(gather(system, results, few.truths))
    assert not faults(found, system.subjects)
    assert asyncio.run(obtained(system, unpushed, {x.subject: x.body_sha256.hex() for x in found.stored}))


async def obtained(system: System, rows: Sequence[dict[str, str]], digests: dict[str, str]) -> bool:
    """By a `result` query of its own, past the client and its store."""
    identity = identity_of(system)
    async with connected(system, system.agency) as bus:
        for row in rows:
            digest = digests[system.subjects.request(system.agency, row["request_id"])]
            proven = await fetch(bus, identity, row["request_id"], digest)
            if proven is None or proven.result.outcome != row["outcome"]:
                return False
    return True
