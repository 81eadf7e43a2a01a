"""A hold is absolute (G5): nothing in its scope is answered behind it, everything is once it is lifted."""

import os
import signal
from pathlib import Path

from glomar_requester import Ask, Result
from msgspec.structs import replace

from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.polling import wait_until
from tests.support.recorded import await_ledger
from tests.support.requesting import BackgroundRequests, ask_all, confirmable, profile
from tests.support.running_system import RunningSystem

WAITS = "mad"
FLOWS = "federal"


def in_jurisdiction(name: str, number: int, start: int = 0) -> list[Ask]:
    asks = confirmable(start + number)[start:]
    return [replace(each, jurisdiction=name, reference=f"{name}-{n}") for n, each in enumerate(asks)]


def verdicts_in(bus: Bus, asked: list[Result]) -> dict[str, int]:
    """Request id -> the sequence of its verdict, where there is one."""
    found = {each.request_id: bus.at(bus.subjects.verdict("ice", each.request_id)) for each in asked}
    return {request_id: stored.sequence for request_id, stored in found.items() if stored is not None}


def test_a_hold_stops_its_scope_alone_and_everything_goes_on_when_it_is_lifted(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls = ControlPublisher(bus)
    slot, placed = controls.hold(f"jurisdiction:{WAITS}")
    held = BackgroundRequests(profile(running.layout, tmp_path / "held.db"), in_jurisdiction(WAITS, 30))
    held.start()

    free = ask_all(profile(running.layout, tmp_path / "free.db"), in_jurisdiction(FLOWS, 30, start=30))

    assert {each.outcome for each in free} == {"confirm"}
    assert wait_until(lambda: bus.last_sequence() >= placed + 30 + 60), "the held requests are stored"
    await_ledger(bus)
    assert held.results == []

    lifted = controls.lift(slot)
    held.join()

    assert [each.outcome for each in held.results] == ["confirm"] * 30
    assert min(verdicts_in(bus, held.results).values()) > lifted


def test_no_verdict_gets_behind_a_hold_that_came_while_the_verifier_slept(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls = ControlPublisher(bus)
    asks = confirmable(80)
    asking = BackgroundRequests(profile(running.layout, tmp_path / "store.db"), asks)
    asking.start()
    assert wait_until(lambda: bus.last_sequence() > 20)
    verifier = running.pids["verifier"]

    os.kill(verifier, signal.SIGSTOP)
    slot, placed = controls.hold("all")
    os.kill(verifier, signal.SIGCONT)

    assert wait_until(lambda: bus.last_sequence() >= placed)
    end = len(await_ledger(bus))
    behind = [each for each in bus.messages(placed + 1) if ".verdict." in each.subject]
    assert behind == [], f"{len(behind)} verdicts behind the hold, of {end} messages"

    controls.lift(slot)
    asking.join()
    assert len(asking.results) == 80
    assert {each.outcome for each in asking.results} == {"confirm"}
    assert len(verdicts_in(bus, asking.results)) == 80


def test_the_waiting_outlive_a_kill(running: RunningSystem, bus: Bus, tmp_path: Path) -> None:
    controls = ControlPublisher(bus)
    slot, placed = controls.hold("agency:ice")
    asking = BackgroundRequests(profile(running.layout, tmp_path / "store.db"), confirmable(20))
    asking.start()
    assert wait_until(lambda: bus.last_sequence() >= placed + 20)

    os.kill(running.pids["verifier"], signal.SIGKILL)
    controls.lift(slot)
    asking.join()

    assert [each.outcome for each in asking.results] == ["confirm"] * 20
