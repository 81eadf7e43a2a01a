"""A dishonest record holder answers although a hold forbids it: recorded, told, and never released."""

import asyncio
import sys
from pathlib import Path

from glomar_local.answers import identity_of
from glomar_local.credentials import OPERATOR
from glomar_local.opening import connected
from glomar_schemas.decoding import decode
from glomar_schemas.messages import ResultPending, ResultQuery, Sealed, encode

from tests.faults import dishonest_verifier
from tests.faults.data import Asked
from tests.faults.evidence import ledger_size, stream_messages
from tests.faults.processes import Processes
from tests.faults.submission import submitting
from tests.faults.waiting import until
from tests.integration.bus import watching
from tests.integration.holds import Officials


def test_what_a_holder_answers_behind_a_hold_is_recorded_and_never_released(
    bare: Processes, few: Asked
) -> None:
    system = bare.system
    bare.start_all()
    bare.stop("verifier")
    with watching(system) as bus:
        officials = Officials(bus)
        slot, placed = officials.hold("all")
        config = str(system.layout.settings("verifier"))
        bare.start(
            "verifier", (sys.executable, str(Path(dishonest_verifier.__file__)), "serve", "--config", config)
        )

        with submitting(system, few) as submission:
            everything = placed + 2 * len(few.truths)
            until(lambda: ledger_size(system) >= everything, "every request and its verdict are recorded")
            until(lambda: violations_told(bare) >= len(few.truths), "each of them is told as a violation")
            officials.lift(slot)

            answers = asyncio.run(asked_for(bare))
            assert {type(each) for each in answers} == {ResultPending}
            submission.kill()


def violations_told(bare: Processes) -> int:
    return bare.said("auditor").count("violation: a verdict behind a hold")


async def asked_for(bare: Processes) -> list[Sealed | ResultPending]:
    """What the auditor answers when some of the verdicts are asked for, after the hold was lifted."""
    system, identity = bare.system, identity_of(bare.system)
    async with connected(system, OPERATOR) as admin:
        stored = await stream_messages(admin, system.subjects)
    ids = [leaf.subject.rpartition(".")[2] for leaf in stored if ".verdict." in leaf.subject][:20]
    assert ids
    async with connected(system, system.agency) as bus:
        replies = [
            await bus.request(
                identity.subjects.result(system.agency), encode(ResultQuery(request_id=each)), timeout=5
            )
            for each in ids
        ]
    return [decode(reply.data, Sealed | ResultPending, what="result") for reply in replies]  # type: ignore[arg-type]
