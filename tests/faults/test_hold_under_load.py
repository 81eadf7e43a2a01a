"""A hold is absolute (G5), at any moment of a full load and with any scope: many runs on one system."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_local.demo import population
from msgspec.structs import replace

from tests.faults import pausing_verifier
from tests.faults.hold_runs import LiveSystem, draw, run_hold
from tests.faults.releases import Releases
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.recorded import await_ledger, leaves_of
from tests.support.requesting import profile, to_ask
from tests.support.service_processes import Processes

SEED = os.environ.get("GLOMAR_TEST_SEED", "6103")
RUNS = int(os.environ.get("GLOMAR_TEST_RUNS", "20"))
REQUESTS = 150


@pytest.fixture
def live(processes: Processes, tmp_path: Path) -> Iterator[LiveSystem]:
    layout = processes.system.layout
    pause = tmp_path / "pause"
    config = str(layout.settings("verifier"))
    program = (sys.executable, str(Path(pausing_verifier.__file__)), "serve", "--config", config)
    processes.start_bus()
    processes.start("auditor")
    processes.start("verifier", program, pause_file=str(pause))
    for service in ("auditor", "verifier"):
        processes.until_ready(service)
    with Bus(processes.system) as bus, Releases(bus) as releases:
        used = profile(layout, tmp_path / "store.db")
        yield LiveSystem(processes, bus, ControlPublisher(bus), releases, used, pause)


def test_no_verdict_is_stored_after_a_hold_and_nothing_is_lost_at_whatever_moment_it_comes(
    live: LiveSystem,
) -> None:
    print(f"seed {SEED}; GLOMAR_TEST_SEED sets another, GLOMAR_TEST_RUNS the number of runs")
    rows = population.make_requests(RUNS * REQUESTS, population.today())
    asks = [to_ask(row) for row in rows]
    paused = 0
    for number in range(RUNS):
        plan = draw(
            f"{SEED} {number}",
            REQUESTS,
            is_verifier_paused=number % 3 == 0,
            is_auditor_stopped=number % 3 == 1,
        )
        print(f"run {number}: {plan}")
        store = live.profile.store.with_name(f"store-{number}.db")
        run = replace(live, profile=replace(live.profile, store=store))
        paused += run_hold(run, plan, asks[number * REQUESTS : (number + 1) * REQUESTS])

    assert paused >= RUNS // 6, "the verifier was too rarely paused between a decision and its publishing"
    assert live.services.status("auditor")["violations"]["count"] == 0
    assert await_ledger(live.bus) == leaves_of(live.bus.messages())
