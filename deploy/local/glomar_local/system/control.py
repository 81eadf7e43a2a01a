"""Inspects and stops a system that another process runs."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from glomar_schemas.errors import Fatal, Unreachable

from glomar_local.layout import Layout
from glomar_local.system import runfile
from glomar_local.system.process import STOP_LIMIT_S, is_ready
from glomar_local.system.runfile import Run

POLL_S = 0.05

READY_STATES = ("ready", "running")


def require_running(layout: Layout) -> Run:
    """Raises Unreachable when nothing runs there."""
    run = runfile.read(layout)
    if run is None or not runfile.in_use(layout):
        raise Unreachable(
            "nothing runs there", where=str(layout.root), fix=f"Start it: glomar up --data-dir {layout.root}"
        )
    return run


async def states(run: Run) -> dict[str, str]:
    """Process -> `ready`, `running` (has no readiness), `not ready` or `gone`."""
    found = {}
    for name, pid in run.pids.items():
        if not is_alive(pid):
            found[name] = "gone"
        elif port := run.http_ports().get(name):
            found[name] = "ready" if await is_ready(port) else "not ready"
        else:
            found[name] = "running"
    return found


def require_ready(states: Mapping[str, str]) -> None:
    """Raises Unreachable naming what is not ready."""
    not_ready = [name for name, state in states.items() if state not in READY_STATES]
    if not_ready:
        raise Unreachable(f"not ready: {', '.join(not_ready)}", fix="Its log says why")


def stop(layout: Layout) -> list[str]:
    """Stops the system -> the names of the processes that ran. Raises Fatal when one will not end."""
    run = runfile.read(layout)
    if run is None or not runfile.in_use(layout):
        return []
    if runfile.is_supervised(layout):
        _end(run.pids["supervisor"], signal.SIGTERM)
        # It stops its processes one after the other, each within its own time limit.
        _wait(layout, len(run.pids) * STOP_LIMIT_S)
    # Children outlive a supervisor that was killed. The system may have given their process ids to others.
    for number in (signal.SIGTERM, signal.SIGKILL):
        if runfile.in_use(layout):
            for pid in reversed(run.pids.values()):
                if runfile.is_ours(pid, layout):
                    _end(pid, number)
            _wait(layout, STOP_LIMIT_S)
    if runfile.in_use(layout):
        raise Fatal("a process still runs", where=str(layout.root), fix=f"Look at {layout.run}")
    layout.run.unlink(missing_ok=True)
    return list(run.pids)


def is_alive(pid: int) -> bool:
    """False also for a zombie: a process that has ended and whose parent has not waited for it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state not in ("Z", "X")


def _end(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait(layout: Layout, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while runfile.in_use(layout) and time.monotonic() < deadline:
        time.sleep(POLL_S)
