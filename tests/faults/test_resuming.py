"""When a hold is lifted, what waited goes on beside what is new: neither starves the other."""

import os
import signal
from pathlib import Path

from glomar_local.demo import population
from glomar_requester import Ask
from msgspec.structs import replace

from tests.faults.processes import Processes
from tests.faults.waiting import until
from tests.integration.asking import Asking, profile, to_ask
from tests.integration.bus import watching
from tests.integration.holds import Officials

HELD, FRESH = 800, 1_500


def asks(jurisdiction: str, rows: list[dict[str, str]]) -> list[Ask]:
    return [replace(to_ask(row), jurisdiction=jurisdiction) for row in rows]


def test_neither_what_waited_nor_what_is_new_starves(bare: Processes, tmp_path: Path) -> None:
    rows = population.make_requests(HELD + FRESH, population.today())
    layout = bare.system.layout
    bare.start_bus()
    for service in ("auditor", "verifier"):
        bare.start(service)
        bare.until_ready(service)
    with watching(bare.system) as bus:
        officials = Officials(bus)
        slot, _ = officials.hold("jurisdiction:mad")
        held = Asking(profile(layout, tmp_path / "held.db"), asks("mad", rows[:HELD]))
        held.start()
        until(lambda: bare.status("verifier").get("waiting", {}).get("total") == HELD, "they wait")

        os.kill(bare.pid("verifier"), signal.SIGSTOP)
        fresh = Asking(profile(layout, tmp_path / "fresh.db"), asks("federal", rows[HELD:]))
        stored = bus.last_sequence()
        fresh.start()
        until(lambda: bus.last_sequence() >= stored + FRESH, "the others are asked")
        officials.lift(slot)
        os.kill(bare.pid("verifier"), signal.SIGCONT)
        for asked in (held, fresh):
            asked.join()

        waited = {each.request_id for each in held.results}
        assert (len(waited), len(fresh.results)) == (HELD, FRESH)
        order = [
            each.subject.rpartition(".")[2] in waited
            for each in bus.messages()
            if ".verdict." in each.subject
        ]
    assert len(order) == HELD + FRESH
    last_fresh, last_held = (len(order) - 1 - order[::-1].index(of) for of in (False, True))
    assert order[:last_fresh].count(True) >= HELD // 4, "what waited was answered only after what was new"
    assert order[:last_held].count(False) >= FRESH // 4, "what was new was answered only after what waited"
