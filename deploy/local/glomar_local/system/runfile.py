"""The processes of a data directory: a lock that is held while any of them lives, and a list of them.

Every child inherits the supervisor's lock, so a directory whose supervisor was killed counts as in use while
one of its processes lives.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from glomar_schemas.errors import Misconfigured
from glomar_schemas.files import replace
from msgspec import Struct

from glomar_local.layout import Layout
from glomar_local.ports import Ports
from glomar_local.provision.settings_files import SERVICES


class Run(Struct, frozen=True, kw_only=True):
    """The content of run.json. pids: process name -> process id; `supervisor` among them.

    others: the ports of the further agreements, by id.
    """

    version: int = 1
    pids: dict[str, int]
    ports: Ports
    others: dict[str, Ports] = {}
    started_at: str

    def http_ports(self) -> dict[str, int]:
        """Process name -> port, of every service under every agreement."""
        found = {service: self.ports.named()[service] for service in SERVICES}
        for agreement, ports in self.others.items():
            found |= {name_beside(service, agreement): ports.named()[service] for service in SERVICES}
        return found


def name_beside(service: str, agreement: str) -> str:
    """The process name of a further agreement's service."""
    return f"{service} {agreement}"


@contextlib.contextmanager
def claim(layout: Layout) -> Iterator[int]:
    """Holds the data directory -> the lock's file descriptor, for children to inherit.

    Raises Misconfigured if a process of another system runs there.
    """
    with contextlib.ExitStack() as stack:
        inherited = _lock(layout.lock)
        if inherited is not None:
            stack.callback(os.close, inherited)
        own = _lock(layout.supervisor_lock)
        if own is not None:
            stack.callback(os.close, own)
        if inherited is None or own is None:
            run = read(layout)
            process = f" by process {run.pids['supervisor']}" if run else ""
            raise Misconfigured(
                f"the data directory is in use{process}",
                where=str(layout.root),
                fix=f"Stop it with: glomar down --data-dir {layout.root}, or choose another directory",
            )
        layout.run.unlink(missing_ok=True)
        stack.callback(layout.run.unlink, missing_ok=True)
        yield inherited


def in_use(layout: Layout) -> bool:
    """True while the supervisor or any process that it started lives."""
    return _is_locked(layout.lock)


def is_supervised(layout: Layout) -> bool:
    """True while the supervisor lives."""
    return _is_locked(layout.supervisor_lock)


def _lock(path: Path) -> int | None:
    """Takes an exclusive lock -> its file descriptor; None if another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    descriptor = _lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def write(layout: Layout, run: Run) -> None:
    replace(layout.run, msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")


def read(layout: Layout) -> Run | None:
    """None if nothing was started there, or if it was stopped."""
    try:
        return msgspec.json.decode(layout.run.read_bytes(), type=Run)
    except (OSError, msgspec.DecodeError):
        return None


def is_ours(pid: int, layout: Layout) -> bool:
    """True if the process was started for this data directory: its command line names the directory.

    A process id alone proves nothing, since the system reuses it. Without /proc, the lock has to suffice.
    """
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except OSError:
        return False
    return os.fsencode(layout.root.resolve()) in command
