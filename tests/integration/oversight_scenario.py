"""A running system with every event that a report counts, for the tests of oversight's commands."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from glomar_auditor.cli import app
from glomar_auditor.index.database import Index
from glomar_auditor.index.record import IndexRecord
from glomar_local.provision.credentials import OPERATOR
from glomar_requester import Client, Result
from glomar_schemas.crypto.dsse import Signer, open_envelope, seal_envelope
from glomar_schemas.keys import read_signing_key
from glomar_schemas.messages import Request
from msgspec import Struct
from msgspec.structs import replace

from tests.integration.test_recalls import await_ack, recall
from tests.support.bus import Bus
from tests.support.commands import run_in_process
from tests.support.controls import ControlPublisher
from tests.support.polling import wait_until
from tests.support.recorded import await_ledger, await_verdicts
from tests.support.requesting import BackgroundRequests, ask_all, confirmable, profile, rows, to_ask
from tests.support.running_system import RunningSystem
from tests.support.wire import header_block

LIMIT_S = 60.0
REQUESTS = 60
TRACES = ("11111111111111111111111111111111", "22222222222222222222222222222222")


class Scenario(Struct, frozen=True):
    """results: of the answered requests, as the agency received them; officers: by reference.

    held: the result that waited under a hold; certified, outstanding: recalled; forged, malformed: ids.
    """

    running: RunningSystem
    bus: Bus
    results: list[Result]
    officers: dict[str, str]
    held: Result
    hold_slot: int
    certified: Result
    outstanding: Result
    forged: str
    malformed: str

    @property
    def outcomes(self) -> Counter[str]:
        """Outcomes of all requests, also of the two invalid ones, which were refused."""
        return Counter(each.outcome for each in self.results) + Counter({"refused": 2})

    def run(self, *arguments: str) -> CompletedProcess[str]:
        return run_in_process(app, [*arguments, "--config", str(self.running.layout.settings("auditor"))])

    def json(self, *arguments: str) -> dict[str, Any]:
        ended = self.run(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def index(self) -> Index:
        layout, agreement = self.running.layout, self.bus.system.agreement
        path = layout.ledger.with_name("ledger.index.db")
        return Index(path, self.bus.subjects.origin(agreement.oversight), write=False)

    def indexed(self) -> list[IndexRecord]:
        """All records of the index, once it has every message of the stream."""
        assert wait_until(self.is_complete, LIMIT_S), "the index lacks messages of the stream"
        index = self.index()
        found = list(index.records())
        index.close()
        return found

    def is_complete(self) -> bool:
        try:
            index = self.index()
        except Exception:  # noqa: BLE001 - it does not exist yet
            return False
        size = index.size
        index.close()
        return size == self.bus.last_sequence()


def run_scenario(running: RunningSystem, bus: Bus, folder: Path) -> Scenario:
    """Requests, a hold, a lift, recalls and forgeries; returns once all are in the ledger."""
    used, controls = profile(running.layout, folder / "store.db"), ControlPublisher(bus)
    chosen = rows()[:REQUESTS]
    results = ask_all(used, [to_ask(row) for row in chosen])

    slot, _ = controls.hold("jurisdiction:mad")
    held = replace(confirmable(70)[-1], jurisdiction="mad", reference="held")
    background = BackgroundRequests(profile(running.layout, folder / "held.db"), [held])
    before = bus.last_sequence()
    background.start()
    assert wait_until(lambda: bus.last_sequence() > before, LIMIT_S)
    await_ledger(bus)
    controls.lift(slot)
    background.join(LIMIT_S)

    confirmed = [each for each in results if each.outcome == "confirm"]
    certified, outstanding = confirmed[0], confirmed[1]
    assert recall(running, certified.request_id).returncode == 0

    async def receive_recall() -> None:
        async with Client.connect(used):
            await asyncio.to_thread(await_ack, bus, certified.request_id)

    asyncio.run(receive_recall())
    assert recall(running, outstanding.request_id).returncode == 0
    forged, malformed = _forge(bus, results[0])
    await_ledger(bus)
    officers = {row["reference"]: row["officer_id"] for row in chosen} | {"held": held.officer_id}
    return Scenario(
        running,
        bus,
        [*results, background.results[0]],
        officers,
        background.results[0],
        slot,
        certified,
        outstanding,
        forged,
        malformed,
    )


def _forge(bus: Bus, genuine: Result) -> tuple[str, str]:
    """Stores a request signed by another party, with two trace headers, and bytes that are no request."""
    stored = bus.at(bus.subjects.request("ice", genuine.request_id))
    assert stored is not None
    request, _ = open_envelope(stored.body, Request, stored.subject)
    forged, malformed = "forged-by-the-holder", "no-message"
    subject = bus.subjects.request("ice", forged)
    signer = Signer(read_signing_key(bus.system.layout.private_key("irs", "sign")))
    body = seal_envelope(replace(request, id=forged, subject=subject, issued_at=datetime.now(UTC)), [signer])
    traces = header_block(*(f"traceparent: 00-{each}-{'3' * 16}-01".encode() for each in TRACES))
    operator = bus.wire(OPERATOR)
    operator.ask(subject.encode(), body, traces)
    operator.ask(bus.subjects.request("ice", malformed).encode(), b"{}")
    await_verdicts(bus, "ice", [forged, malformed])
    return forged, malformed
