"""Running systems: one that the tests share, and one of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_local.provision.provision import provision

from tests.support.bus import Bus
from tests.support.running_system import RunningSystem, glomar_up


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Shared: no test stops it or kills one of its processes."""
    with glomar_up(tmp_path_factory.mktemp("system") / "data") as running:
        yield running


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningSystem]:
    """The test's own: the test may stop, kill and change it."""
    with glomar_up(tmp_path / "data") as started:
        yield started


@pytest.fixture
def bus(running: RunningSystem) -> Iterator[Bus]:
    """The bus of `running`, as its operator sees it."""
    with Bus(provision(running.layout, running.ports)) as found:
        yield found
