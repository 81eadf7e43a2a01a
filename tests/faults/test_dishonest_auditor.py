"""An auditor that changes messages, or shows a second history, is caught by those who published them."""

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
from tests.faults.data import Asked
from tests.faults.evidence import ledger_size, stream_messages
from tests.faults.processes import Processes
from tests.faults.submission import submitting
from tests.faults.waiting import until

PUBLISHERS = {"requester": "request", "verifier": "verdict"}
OFTEN = "0.2"


def test_publishers_catch_an_auditor_that_changes_what_they_sent(
    bare: Processes, halves: tuple[Asked, Asked]
) -> None:
    first, second = halves
    start(bare)
    with submitting(bare.system, first) as honest:
        honest.results()
    recorded = 1 + 2 * len(first.truths)  # the first control, each request and its verdict
    until(lambda: all(ledger(bare, each)["size"] >= recorded for each in PUBLISHERS), "both have looked")
    assert {ledger(bare, each)["state"] for each in PUBLISHERS} == {"ok"}

    bare.stop("auditor")
    until(lambda: states(bare) == {"unchecked"}, "a ledger that is away can't be checked")
    assert all(ledger(bare, each)["checked_at"] for each in PUBLISHERS), "since when is said"

    serve = (sys.executable, str(Path(dishonest_auditor.__file__)), "serve", "--config")
    bare.start("auditor", (*serve, str(bare.system.layout.settings("auditor"))))
    with submitting(bare.system, second) as betrayed:
        everything = recorded + 2 * len(second.truths)
        until(lambda: ledger_size(bare.system) >= everything, "all is recorded, some of it falsely")
        lies = falsified(bare)
        assert all(len(sequences) > 1 for sequences in lies.values())
        until(lambda: found(bare) == lies, "each publisher names its own, and no other's")
        betrayed.kill()
    assert states(bare) == {"alert"}

    bare.stop("auditor")
    rewrite(bare)
    bare.start("auditor")
    until(lambda: all("rewritten" in ledger(bare, each)["fault"] for each in PUBLISHERS), "the fork shows")


def start(bare: Processes) -> None:
    bare.start_bus()
    bare.start("auditor")
    for publisher in PUBLISHERS:
        bare.start(publisher, ledger_every_s=OFTEN)
    for service in ("auditor", *PUBLISHERS):
        bare.until_ready(service)


def ledger(bare: Processes, publisher: str) -> dict[str, Any]:
    standing: dict[str, Any] = bare.status(publisher)["ledger"]
    return standing


def states(bare: Processes) -> set[str]:
    return {ledger(bare, each)["state"] for each in PUBLISHERS}


def found(bare: Processes) -> dict[str, list[int]]:
    return {each: ledger(bare, each)["absent_sequences"] for each in PUBLISHERS}


def falsified(bare: Processes) -> dict[str, list[int]]:
    """By publisher, the sequences of which the ledger says something else than the stream."""
    recorded = read(bare.system.layout.ledger, ledger_size(bare.system))
    wrong = [truth for truth, leaf in zip(stored(bare), recorded, strict=True) if truth != leaf]
    return {
        publisher: [each.sequence for each in wrong if f".{kind}." in each.subject]
        for publisher, kind in PUBLISHERS.items()
    }


def stored(bare: Processes) -> list[Leaf]:
    async def ask() -> list[Leaf]:
        async with connected(bare.system, OPERATOR) as admin:
            return await stream_messages(admin, bare.system.subjects)

    return asyncio.run(ask())


def rewrite(bare: Processes) -> None:
    """The truth, as if nothing else had ever been signed: the auditor hopes to get away with it."""
    layout, oversight = bare.system.layout, bare.system.agreement.oversight
    layout.ledger.rename(layout.root / "ledger-before")
    key = read_signing_key(layout.private_key(oversight, "ledger"))
    again = Ledger.open(layout.ledger, key, bare.system.subjects.origin(oversight))
    again.append(stored(bare))
    again.close()
