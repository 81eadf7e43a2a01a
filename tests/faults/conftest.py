"""Fixtures of the fault tests: one register and one file of requests for all, a data directory for each."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec
import pytest
from glomar_local import ports
from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_local.provision.provision import System, provision

from tests.faults.data import Asked, provisioned, requests
from tests.faults.processes import Processes, processes
from tests.integration.conftest import Up, up

REQUESTS = 2_000
FEW = 300


@pytest.fixture(scope="session")
def register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the synthetic people; the same for all, since building it takes longest."""
    system = provision(Layout(tmp_path_factory.mktemp("register").resolve()), ports.free())
    population.make_register(system.layout, system.agreement, None)
    return system.layout.register


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    [file] = requests(REQUESTS, tmp_path_factory.mktemp("asked"))
    return file


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """For tests in which the number does not matter."""
    [file] = requests(FEW, tmp_path_factory.mktemp("few"))
    return file


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Asked, Asked]:
    """The same, in two files."""
    first, second = requests(FEW, tmp_path_factory.mktemp("halves"), files=2)
    return first, second


@pytest.fixture
def system(tmp_path: Path, register: Path) -> System:
    """Provisioned, not started."""
    return provisioned(tmp_path / "data", register)


Supervised = Callable[[], AbstractContextManager[tuple[Up, System]]]


@pytest.fixture
def supervised(system: System) -> Supervised:
    """Runs the system as a user does, with `glomar up`; it may be called again after that has ended."""

    @contextmanager
    def start() -> Iterator[tuple[Up, System]]:
        with up(system.layout.root) as running:
            yield running, msgspec.structs.replace(system, ports=running.ports)

    return start


@pytest.fixture
def bare(system: System) -> Iterator[Processes]:
    """The system without its supervisor, nothing started."""
    with processes(system) as started:
        yield started
