"""A dishonest record holder answers although a hold forbids it: recorded, told, and never released."""

import asyncio
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from glomar_local.demo.answers import identity_of
from glomar_local.provision.credentials import OPERATOR
from glomar_local.system.open_bus import connected
from glomar_schemas.decoding import decode
from glomar_schemas.messages import ResultPending, ResultQuery, Sealed, encode

from tests.faults import dishonest_verifier
from tests.faults.data import Asked
from tests.faults.evidence import ledger_size, stream_messages
from tests.faults.processes import Processes
from tests.faults.releases import Releases
from tests.faults.submission import submitting
from tests.faults.waiting import until
from tests.integration.bus import watching
from tests.integration.holds import Officials

SHOWN = 100
"""Of the violations, in /status."""


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

        with closing(Releases(bus)) as releases, submitting(system, few) as submission:
            everything = placed + 2 * len(few.truths)
            until(lambda: ledger_size(system) >= everything, "every request and its verdict are recorded")
            until(lambda: violations(bare)["count"] >= len(few.truths), "each of them is a violation")
            require_withheld(bare)
            officials.lift(slot)
            until(lambda: bare.status("auditor")["control_slot"] == slot + 1, "the auditor knows the lift")
            require_withheld(bare)

            behind = [each.sequence for each in bus.messages() if ".verdict." in each.subject]
            assert sorted(told(bare)) == behind, "each is told once"
            assert violations(bare) == {"count": len(behind), "sequences": told(bare)[-SHOWN:]}
            releases.mark("nothing")
            assert releases.since() == set()

            bare.kill("auditor")
            bare.start("auditor")
            bare.until_ready("auditor")
            require_withheld(bare)
            assert releases.since() == set()
            submission.kill()


def require_withheld(bare: Processes) -> None:
    answers = asyncio.run(asked_for(bare))
    assert {type(each) for each in answers} == {ResultPending}


def violations(bare: Processes) -> dict[str, Any]:
    found: dict[str, Any] = bare.status("auditor")["violations"]
    return found


def told(bare: Processes) -> list[int]:
    """The sequences of which the auditor's log says that they are violations."""
    lines = map(json.loads, bare.said("auditor").splitlines())
    return [line["sequence"] for line in lines if line["message"].startswith("violation:")]


async def asked_for(bare: Processes) -> list[Sealed | ResultPending]:
    """What the auditor answers when some of the verdicts are asked for."""
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
