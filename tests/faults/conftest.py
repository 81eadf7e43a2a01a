"""Fixtures of the fault tests: one register and request file for all, a data directory for each test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec
import pytest
from glomar_local import ports
from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_local.provision.provision import System, provision

from tests.faults.request_files import RequestFile, provisioned, requests
from tests.support.running_system import RunningSystem, glomar_up
from tests.support.service_processes import Processes

REQUESTS = 2_000
FEW = 300


@pytest.fixture(scope="session")
def register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the synthetic people. Built once for all tests, since that takes longest."""
    system = provision(Layout(tmp_path_factory.mktemp("register").resolve()), ports.free())
    population.make_register(system.layout, system.agreement, None)
    return system.layout.register


@pytest.fixture(scope="session")
def request_file(tmp_path_factory: pytest.TempPathFactory) -> RequestFile:
    [file] = requests(REQUESTS, tmp_path_factory.mktemp("requests"))
    return file


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> RequestFile:
    """For tests in which the number of requests does not matter."""
    [file] = requests(FEW, tmp_path_factory.mktemp("few"))
    return file


@pytest.fixture(scope="session")
def two_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[RequestFile, RequestFile]:
    """As `small_file`, in two files."""
    first, second = requests(FEW, tmp_path_factory.mktemp("halves"), files=2)
    return first, second


@pytest.fixture
def system(tmp_path: Path, register: Path) -> System:
    """Provisioned, not started."""
    return provisioned(tmp_path / "data", register)


Supervised = Callable[[], AbstractContextManager[tuple[RunningSystem, System]]]


@pytest.fixture
def supervised(system: System) -> Supervised:
    """Runs the system with `glomar up`, as a user does. It may be called again after that has ended."""

    @contextmanager
    def start() -> Iterator[tuple[RunningSystem, System]]:
        with glomar_up(system.layout.root) as running:
            yield running, msgspec.structs.replace(system, ports=running.ports)

    return start


@pytest.fixture
def processes(system: System) -> Iterator[Processes]:
    """The system without its supervisor; nothing is started."""
    with Processes(system) as started:
        yield started
