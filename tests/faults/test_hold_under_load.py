"""A hold is absolute (G5), at any moment of a full load and for any scope: 20 times on one running system."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from glomar_local.demo import population
from msgspec.structs import replace

from tests.faults import pausing_verifier
from tests.faults.hold_runs import World, carry_out, draw
from tests.faults.processes import Processes
from tests.faults.releases import Releases
from tests.integration.asking import profile, to_ask
from tests.integration.bus import watching
from tests.integration.evidence import await_ledger, leaves_of
from tests.integration.holds import Officials

SEED = os.environ.get("GLOMAR_TEST_SEED", "6103")
RUNS = 20
REQUESTS = 150


@pytest.fixture
def world(bare: Processes, tmp_path: Path) -> Iterator[World]:
    layout = bare.system.layout
    pause = tmp_path / "pause"
    config = str(layout.settings("verifier"))
    program = (sys.executable, str(Path(pausing_verifier.__file__)), "serve", "--config", config)
    bare.start_bus()
    bare.start("auditor")
    bare.start("verifier", program, pause_file=str(pause))
    for service in ("auditor", "verifier"):
        bare.until_ready(service)
    with watching(bare.system) as bus, closing(Releases(bus)) as releases:
        used = profile(layout, tmp_path / "store.db")
        yield World(bare, bus, Officials(bus), releases, used, pause)


def test_no_verdict_gets_behind_a_hold_and_nothing_is_lost_whenever_it_comes(world: World) -> None:
    print(f"seed {SEED}; GLOMAR_TEST_SEED sets another")
    rows = population.make_requests(RUNS * REQUESTS, population.today())
    asks = [to_ask(row) for row in rows]
    paused = 0
    for number in range(RUNS):
        plan = draw(f"{SEED} {number}", REQUESTS, is_paused=number % 3 == 0, auditor_sleeps=number % 3 == 1)
        print(f"run {number}: {plan}")
        store = world.profile.store.with_name(f"store-{number}.db")
        run = replace(world, profile=replace(world.profile, store=store))
        paused += carry_out(run, plan, asks[number * REQUESTS : (number + 1) * REQUESTS])

    assert paused >= 3, "the verifier was hardly ever between a decision and its publishing"
    assert world.services.status("auditor")["violations"]["count"] == 0
    assert await_ledger(world.bus) == leaves_of(world.bus.messages())
