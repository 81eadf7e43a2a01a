"""A hold is absolute (G5) on three nodes too, while leaders step down and a node is killed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_local.demo import population
from glomar_local.provision.provision import System
from msgspec.structs import replace

from tests.faults import pausing_verifier
from tests.faults.cluster import Cluster, ClusterBus, ClusterControls, LeaderChanges, clustered
from tests.faults.hold_runs import LiveSystem, draw, run_hold
from tests.faults.releases import Releases
from tests.support.polling import until
from tests.support.requesting import profile, to_ask
from tests.support.service_processes import Processes

SEED = os.environ.get("GLOMAR_TEST_SEED", "1253")
RUNS = int(os.environ.get("GLOMAR_TEST_RUNS", "2"))
REQUESTS = 300


@pytest.fixture
def cluster(system: System) -> Iterator[Cluster]:
    with clustered(system) as started:
        yield started


@pytest.fixture
def services(cluster: Cluster, tmp_path: Path) -> Iterator[Processes]:
    """Each starts on another node, and may reconnect to the others."""
    with Processes(cluster.system) as started:
        config = str(cluster.system.layout.settings("verifier"))
        program = (sys.executable, str(Path(pausing_verifier.__file__)), "serve", "--config", config)
        started.start("auditor", url=cluster.urls(2))
        started.start("verifier", program, url=cluster.urls(1), pause_file=str(tmp_path / "pause"))
        for service in ("auditor", "verifier"):
            started.until_ready(service)
        yield started


@pytest.fixture
def live(cluster: Cluster, services: Processes, tmp_path: Path) -> Iterator[LiveSystem]:
    bus = ClusterBus(cluster.system)
    with bus, Releases(bus) as releases:
        used = replace(profile(cluster.system.layout, tmp_path / "store.db"), url=cluster.urls())
        yield LiveSystem(services, bus, ClusterControls(bus), releases, used, tmp_path / "pause")


def test_no_verdict_is_stored_after_a_hold_while_leaders_change_and_a_node_is_killed(
    cluster: Cluster, live: LiveSystem
) -> None:
    print(f"seed {SEED}; GLOMAR_TEST_SEED sets another, GLOMAR_TEST_RUNS the number of runs")
    bus = live.bus
    assert isinstance(bus, ClusterBus)
    asks = [to_ask(row) for row in population.make_requests(RUNS * REQUESTS, population.today())]
    for number in range(RUNS):
        plan = draw(f"{SEED} {number}", REQUESTS, is_verifier_paused=number % 2 == 0)
        print(f"run {number}: {plan}")
        victim = bus.leader() or 1
        store = live.profile.store.with_name(f"store-{number}.db")
        run = replace(live, profile=replace(live.profile, store=store))
        leader_changes = LeaderChanges(ClusterBus(cluster.system), f"{SEED} {number}")
        leader_changes.start()

        def kill(node: int = victim, is_wanted: bool = number % 2 == 1) -> None:
            if is_wanted:
                cluster.kill(node)

        def restart(node: int = victim, is_wanted: bool = number % 2 == 1) -> None:
            if is_wanted:
                cluster.start(node)

        run_hold(run, plan, asks[number * REQUESTS : (number + 1) * REQUESTS], kill, restart)
        leader_changes.stop()
        until(bus.is_whole, "every node has the whole stream again")
        assert leader_changes.changes > 0, "no leader stepped down"

    assert live.services.status("auditor")["violations"]["count"] == 0
