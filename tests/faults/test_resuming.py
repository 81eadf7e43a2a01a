"""After a lift, waiting and new requests are decided in turn: neither starves the other."""

import os
import signal
from pathlib import Path

from glomar_local.demo import population
from glomar_requester import Ask
from msgspec.structs import replace

from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.polling import until
from tests.support.requesting import BackgroundRequests, profile, to_ask
from tests.support.service_processes import Processes

HELD, FRESH = 800, 1_500


def asks(jurisdiction: str, rows: list[dict[str, str]]) -> list[Ask]:
    return [replace(to_ask(row), jurisdiction=jurisdiction) for row in rows]


def test_neither_waiting_nor_new_requests_starve(processes: Processes, tmp_path: Path) -> None:
    rows = population.make_requests(HELD + FRESH, population.today())
    layout = processes.system.layout
    processes.start_bus()
    for service in ("auditor", "verifier"):
        processes.start(service)
        processes.until_ready(service)
    with Bus(processes.system) as bus:
        controls = ControlPublisher(bus)
        slot, _ = controls.hold("jurisdiction:mad")
        held = BackgroundRequests(profile(layout, tmp_path / "held.db"), asks("mad", rows[:HELD]))
        held.start()
        until(
            lambda: processes.status("verifier").get("waiting", {}).get("total") == HELD,
            "the held requests wait",
        )

        os.kill(processes.pid("verifier"), signal.SIGSTOP)
        fresh = BackgroundRequests(profile(layout, tmp_path / "fresh.db"), asks("federal", rows[HELD:]))
        stored = bus.last_sequence()
        fresh.start()
        until(lambda: bus.last_sequence() >= stored + FRESH, "the new requests are stored")
        controls.lift(slot)
        os.kill(processes.pid("verifier"), signal.SIGCONT)
        for background in (held, fresh):
            background.join()

        waited = {each.request_id for each in held.results}
        assert (len(waited), len(fresh.results)) == (HELD, FRESH)
        order = [
            each.subject.rpartition(".")[2] in waited
            for each in bus.messages()
            if ".verdict." in each.subject
        ]
    assert len(order) == HELD + FRESH
    last_fresh, last_held = (len(order) - 1 - order[::-1].index(of) for of in (False, True))
    assert order[:last_fresh].count(True) >= HELD // 4, (
        "waiting requests were answered only after the new ones"
    )
    assert order[:last_held].count(False) >= FRESH // 4, (
        "new requests were answered only after the waiting ones"
    )
