"""A hold is absolute (G5) on three nodes too, while leaders step down and a node is killed with kill -9."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from glomar_local.demo import population
from glomar_local.provision.provision import System
from msgspec.structs import replace

from tests.faults import pausing_verifier
from tests.faults.cluster import Cluster, ClusterBus, ClusterOfficials, Unrest, clustered
from tests.faults.hold_runs import World, carry_out, draw
from tests.faults.processes import Processes, processes
from tests.faults.releases import Releases
from tests.faults.waiting import until
from tests.integration.asking import profile, to_ask

SEED = os.environ.get("GLOMAR_TEST_SEED", "1253")
RUNS = 4
REQUESTS = 300


@pytest.fixture
def cluster(system: System) -> Iterator[Cluster]:
    with clustered(system) as started:
        yield started


@pytest.fixture
def services(cluster: Cluster, tmp_path: Path) -> Iterator[Processes]:
    """Each connected to another node, and free to go to the others."""
    with processes(cluster.system) as started:
        config = str(cluster.system.layout.settings("verifier"))
        program = (sys.executable, str(Path(pausing_verifier.__file__)), "serve", "--config", config)
        started.start("auditor", url=cluster.urls(2))
        started.start("verifier", program, url=cluster.urls(1), pause_file=str(tmp_path / "pause"))
        for service in ("auditor", "verifier"):
            started.until_ready(service)
        yield started


@pytest.fixture
def world(cluster: Cluster, services: Processes, tmp_path: Path) -> Iterator[World]:
    bus = ClusterBus(cluster.system)
    with closing(bus), closing(Releases(bus)) as releases:
        used = replace(profile(cluster.system.layout, tmp_path / "store.db"), url=cluster.urls())
        yield World(services, bus, ClusterOfficials(bus), releases, used, tmp_path / "pause")


def test_no_verdict_gets_behind_a_hold_while_leaders_change_and_a_node_dies(
    cluster: Cluster, world: World
) -> None:
    print(f"seed {SEED}; GLOMAR_TEST_SEED sets another")
    bus = world.bus
    assert isinstance(bus, ClusterBus)
    asks = [to_ask(row) for row in population.make_requests(RUNS * REQUESTS, population.today())]
    for number in range(RUNS):
        plan = draw(f"{SEED} {number}", REQUESTS, is_paused=number % 2 == 0)
        print(f"run {number}: {plan}")
        victim = bus.leader() or 1
        store = world.profile.store.with_name(f"store-{number}.db")
        run = replace(world, profile=replace(world.profile, store=store))
        unrest = Unrest(ClusterBus(cluster.system), f"{SEED} {number}")
        unrest.start()

        def kill(node: int = victim, is_wanted: bool = number % 2 == 1) -> None:
            if is_wanted:
                cluster.kill(node)

        def revive(node: int = victim, is_wanted: bool = number % 2 == 1) -> None:
            if is_wanted:
                cluster.start(node)

        carry_out(run, plan, asks[number * REQUESTS : (number + 1) * REQUESTS], kill, revive)
        unrest.stop()
        until(bus.is_whole, "every node has all of it again")
        assert unrest.changes > 0, "no leader stepped down"

    assert world.services.status("auditor")["violations"]["count"] == 0
