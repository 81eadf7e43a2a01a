"""Publishers detect an auditor that changes their messages or shows a second history."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from glomar_auditor.ledger.ledger import Ledger
from glomar_local.demo.ledger_count import read
from glomar_local.provision.credentials import OPERATOR
from glomar_local.system.open_bus import connected
from glomar_schemas.keys import read_signing_key
from glomar_schemas.tlog.leaf import Leaf

from tests.faults import dishonest_auditor
from tests.faults.evidence import ledger_size, stream_messages
from tests.faults.request_files import RequestFile
from tests.faults.submission import Submission
from tests.support.polling import until
from tests.support.service_processes import Processes

PUBLISHERS = {"requester": "request", "verifier": "verdict"}
CHECK_EVERY_S = "0.2"


def test_publishers_detect_an_auditor_that_changes_their_messages(
    processes: Processes, two_files: tuple[RequestFile, RequestFile]
) -> None:
    first, second = two_files
    start(processes)
    with Submission(processes.system, first) as first_run:
        first_run.results()
    recorded = 1 + 2 * len(first.truths)  # the first control, each request and its verdict
    until(
        lambda: all(ledger(processes, each)["size"] >= recorded for each in PUBLISHERS),
        "both publishers have checked",
    )
    assert {ledger(processes, each)["state"] for each in PUBLISHERS} == {"ok"}

    processes.stop("auditor")
    until(lambda: states(processes) == {"unchecked"}, "a ledger that is not served can't be checked")
    assert all(ledger(processes, each)["checked_at"] for each in PUBLISHERS), (
        "the time of the last check is reported"
    )

    serve = (sys.executable, str(Path(dishonest_auditor.__file__)), "serve", "--config")
    processes.start("auditor", (*serve, str(processes.system.layout.settings("auditor"))))
    with Submission(processes.system, second) as second_run:
        everything = recorded + 2 * len(second.truths)
        until(
            lambda: ledger_size(processes.system) >= everything, "everything is recorded, some of it changed"
        )
        changed = changed_sequences(processes)
        assert all(len(sequences) > 1 for sequences in changed.values())
        until(lambda: absent(processes) == changed, "each publisher names its own sequences, and no others")
        second_run.kill()
    assert states(processes) == {"alert"}

    processes.stop("auditor")
    rewrite(processes)
    processes.start("auditor")
    until(
        lambda: all("rewritten" in ledger(processes, each)["fault"] for each in PUBLISHERS),
        "both publishers report the fork",
    )


def start(processes: Processes) -> None:
    processes.start_bus()
    processes.start("auditor")
    for publisher in PUBLISHERS:
        processes.start(publisher, ledger_every_s=CHECK_EVERY_S)
    for service in ("auditor", *PUBLISHERS):
        processes.until_ready(service)


def ledger(processes: Processes, publisher: str) -> dict[str, Any]:
    status: dict[str, Any] = processes.status(publisher)["ledger"]
    return status


def states(processes: Processes) -> set[str]:
    return {ledger(processes, each)["state"] for each in PUBLISHERS}


def absent(processes: Processes) -> dict[str, list[int]]:
    return {each: ledger(processes, each)["absent_sequences"] for each in PUBLISHERS}


def changed_sequences(processes: Processes) -> dict[str, list[int]]:
    """By publisher, the sequences at which ledger and stream differ."""
    recorded = read(processes.system.layout.ledger, ledger_size(processes.system))
    wrong = [truth for truth, leaf in zip(stored(processes), recorded, strict=True) if truth != leaf]
    return {
        publisher: [each.sequence for each in wrong if f".{kind}." in each.subject]
        for publisher, kind in PUBLISHERS.items()
    }


def stored(processes: Processes) -> list[Leaf]:
    async def ask() -> list[Leaf]:
        async with connected(processes.system, OPERATOR) as admin:
            return await stream_messages(admin, processes.system.subjects)

    return asyncio.run(ask())


def rewrite(processes: Processes) -> None:
    """Replaces the ledger by a true one, although another history was signed before."""
    layout, oversight = processes.system.layout, processes.system.agreement.oversight
    layout.ledger.rename(layout.root / "ledger-before")
    key = read_signing_key(layout.private_key(oversight, "ledger"))
    rewritten = Ledger.open(layout.ledger, key, processes.system.subjects.origin(oversight))
    rewritten.append(stored(processes))
    rewritten.close()
