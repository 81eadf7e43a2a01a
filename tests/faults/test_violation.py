"""A dishonest record holder answers against a hold: the verdict is recorded, reported and never released."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from glomar_local.demo.answers import identity_of
from glomar_local.provision.credentials import OPERATOR
from glomar_local.system.open_bus import connected
from glomar_schemas.decoding import decode
from glomar_schemas.messages import ResultPending, ResultQuery, Sealed, encode

from tests.faults import dishonest_verifier
from tests.faults.evidence import ledger_size, stream_messages
from tests.faults.releases import Releases
from tests.faults.request_files import RequestFile
from tests.faults.submission import Submission
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.polling import until
from tests.support.service_processes import Processes

SHOWN = 100
"""The number of violations in /status."""


def test_a_verdict_against_a_hold_is_recorded_and_never_released(
    processes: Processes, small_file: RequestFile
) -> None:
    system = processes.system
    processes.start_all()
    processes.stop("verifier")
    with Bus(system) as bus:
        controls = ControlPublisher(bus)
        slot, placed = controls.hold("all")
        config = str(system.layout.settings("verifier"))
        processes.start(
            "verifier", (sys.executable, str(Path(dishonest_verifier.__file__)), "serve", "--config", config)
        )

        with Releases(bus) as releases, Submission(system, small_file) as submission:
            everything = placed + 2 * len(small_file.truths)
            until(lambda: ledger_size(system) >= everything, "every request and its verdict are recorded")
            until(
                lambda: violations(processes)["count"] >= len(small_file.truths),
                "each of them is a violation",
            )
            require_withheld(processes)
            controls.lift(slot)
            until(
                lambda: processes.status("auditor")["control_slot"] == slot + 1, "the auditor knows the lift"
            )
            require_withheld(processes)

            against_the_hold = [each.sequence for each in bus.messages() if ".verdict." in each.subject]
            logged = logged_violations(processes)
            assert sorted(logged) == against_the_hold, "each is logged once"
            assert violations(processes) == {"count": len(logged), "sequences": logged[-SHOWN:]}
            releases.mark("nothing")
            assert releases.since() == set()

            processes.kill("auditor")
            processes.start("auditor")
            processes.until_ready("auditor")
            require_withheld(processes)
            assert releases.since() == set()
            submission.kill()


def require_withheld(processes: Processes) -> None:
    answers = asyncio.run(query_results(processes))
    assert {type(each) for each in answers} == {ResultPending}


def violations(processes: Processes) -> dict[str, Any]:
    found: dict[str, Any] = processes.status("auditor")["violations"]
    return found


def logged_violations(processes: Processes) -> list[int]:
    """The sequences of the violations in the auditor's log."""
    lines = map(json.loads, processes.log_text("auditor").splitlines())
    return [line["sequence"] for line in lines if line["message"].startswith("violation:")]


async def query_results(processes: Processes) -> list[Sealed | ResultPending]:
    """The auditor's answers to queries for some of the verdicts."""
    system, identity = processes.system, identity_of(processes.system)
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
