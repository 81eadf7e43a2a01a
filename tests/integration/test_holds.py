"""A hold is absolute (G5): no request in its scope is answered after it, until it is lifted."""

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

HELD = "mad"
NOT_HELD = "federal"


def in_jurisdiction(name: str, number: int, start: int = 0) -> list[Ask]:
    asks = confirmable(start + number)[start:]
    return [replace(each, jurisdiction=name, reference=f"{name}-{n}") for n, each in enumerate(asks)]


def verdicts_in(bus: Bus, results: list[Result]) -> dict[str, int]:
    """Request id -> the sequence of its verdict, if there is one."""
    found = {each.request_id: bus.at(bus.subjects.verdict("ice", each.request_id)) for each in results}
    return {request_id: stored.sequence for request_id, stored in found.items() if stored is not None}


def test_a_hold_stops_only_its_scope_and_a_lift_resumes_it(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls = ControlPublisher(bus)
    slot, placed = controls.hold(f"jurisdiction:{HELD}")
    held = BackgroundRequests(profile(running.layout, tmp_path / "held.db"), in_jurisdiction(HELD, 30))
    held.start()

    free = ask_all(profile(running.layout, tmp_path / "free.db"), in_jurisdiction(NOT_HELD, 30, start=30))

    assert {each.outcome for each in free} == {"confirm"}
    assert wait_until(lambda: bus.last_sequence() >= placed + 30 + 60), "the held requests are stored"
    await_ledger(bus)
    assert held.results == []

    lifted = controls.lift(slot)
    held.join()

    assert [each.outcome for each in held.results] == ["confirm"] * 30
    assert min(verdicts_in(bus, held.results).values()) > lifted


def test_no_verdict_is_stored_after_a_hold_that_came_while_the_verifier_was_stopped(
    running: RunningSystem, bus: Bus, tmp_path: Path
) -> None:
    controls = ControlPublisher(bus)
    asks = confirmable(80)
    background = BackgroundRequests(profile(running.layout, tmp_path / "store.db"), asks)
    background.start()
    assert wait_until(lambda: bus.last_sequence() > 20)
    verifier = running.pids["verifier"]

    os.kill(verifier, signal.SIGSTOP)
    slot, placed = controls.hold("all")
    os.kill(verifier, signal.SIGCONT)

    assert wait_until(lambda: bus.last_sequence() >= placed)
    end = len(await_ledger(bus))
    after_the_hold = [each for each in bus.messages(placed + 1) if ".verdict." in each.subject]
    assert after_the_hold == [], f"{len(after_the_hold)} verdicts after the hold, of {end} messages"

    controls.lift(slot)
    background.join()
    assert len(background.results) == 80
    assert {each.outcome for each in background.results} == {"confirm"}
    assert len(verdicts_in(bus, background.results)) == 80


def test_waiting_requests_survive_a_kill(running: RunningSystem, bus: Bus, tmp_path: Path) -> None:
    controls = ControlPublisher(bus)
    slot, placed = controls.hold("agency:ice")
    background = BackgroundRequests(profile(running.layout, tmp_path / "store.db"), confirmable(20))
    background.start()
    assert wait_until(lambda: bus.last_sequence() >= placed + 20)

    os.kill(running.pids["verifier"], signal.SIGKILL)
    controls.lift(slot)
    background.join()

    assert [each.outcome for each in background.results] == ["confirm"] * 20
