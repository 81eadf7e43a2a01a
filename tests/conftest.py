"""Settings of every run: free ports for each process, no limits of time, and what the run left out."""

import os
from collections.abc import Generator

import pytest
from glomar_local import ports
from hypothesis import HealthCheck, settings

from tests.support import needs

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

ports.FREE_RANGE = ports.FREE_RANGE[_WORKER::_WORKERS]

# A busy machine is slow, and no example of a property is wrong for that.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """The run's last lines say what was left out. A test that was skipped in another way fails the run."""
    result = yield
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return result
    skipped = [report.longrepr[2] for report in reporter.stats.get("skipped", [])]
    try:
        for line in needs.left_out(skipped):
            reporter.write_line(line, yellow=True)
    except ValueError as error:
        reporter.write_line(str(error), red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return result
