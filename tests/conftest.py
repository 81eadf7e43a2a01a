"""Tests in several processes at once: each looks for free ports among its own."""

import os

from glomar_local import ports

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

ports.ASIDE = ports.ASIDE[_WORKER::_WORKERS]
