"""Settings of every run: free ports for each of several test processes, and no limits of time."""

import os

from glomar_local import ports
from hypothesis import HealthCheck, settings

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

ports.FREE_RANGE = ports.FREE_RANGE[_WORKER::_WORKERS]

# A busy machine is slow, and no example of a property is wrong for that.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
