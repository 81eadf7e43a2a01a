"""What the figures depend on: processor, versions, and how fast the disk syncs."""

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from glomar_local.system.process import program

from tests.bench.processes import ROOT

SYNCS = 1000


def describe(directory: Path) -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "cpu": _cpu(),
        "python": platform.python_version(),
        "nats-server": _output(program("nats-server"), "--version").split()[-1],
        "nats-py": version("nats-py"),
        "disk syncs/s": f"{_syncs_per_s(directory):,.0f}",
        "load": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }


def commit() -> str:
    """The commit of the code, with "-dirty" if files differ from it. Empty outside a checkout."""
    try:
        return _output("git", "-C", str(ROOT), "describe", "--always", "--dirty").strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _output(*command: str) -> str:
    return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL)


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return f"{found.get('model name', 'unknown')}, {float(found.get('cpu MHz', 0)):.0f} MHz"


def _syncs_per_s(directory: Path) -> float:
    """Appends of 1 KiB, each with fdatasync: the least cost of a durable message."""
    path = directory / "sync-probe"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        started = time.perf_counter()
        for _ in range(SYNCS):
            os.write(descriptor, bytes(1024))
            os.fdatasync(descriptor)
        return SYNCS / (time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
