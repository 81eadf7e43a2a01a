"""`glomar doctor`: checks everything that a start needs, and says how to mend what is missing.

It changes nothing. Each check is a function that returns what it found or raises a GlomarError.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from glomar_schemas.agreement.model import load_agreement, load_trust
from glomar_schemas.errors import GlomarError, Misconfigured
from msgspec import Struct

from glomar_local.layout import Layout
from glomar_local.ports import HOST, Ports, require_free
from glomar_local.provision.credentials import require_all
from glomar_local.provision.settings_files import SERVICES
from glomar_local.system import runfile
from glomar_local.system.process import program

PROGRAMS = ("nats-server", *(f"glomar-{service}" for service in SERVICES))
MIN_FREE_BYTES = 1024**3
SYNCS = 20
SLOW_SYNC_MS = 20.0
"""Each batch waits for a sync. A slower disk delays every answer."""


class CheckResult(Struct, frozen=True):
    """One check: whether it passed, and what was found or what to do."""

    name: str
    ok: bool
    text: str


def examine(layout: Layout, ports: Ports) -> Iterator[CheckResult]:
    """Runs every check, also after one has failed."""
    checks: dict[str, Callable[[], str]] = {
        "Python": _python,
        "programs": _programs,
        "nats-server": _nats_server,
        "loopback": _loopback,
        "data directory": lambda: _directory(layout),
        "keys and agreement": lambda: _agreement(layout),
        "ports": lambda: _ports(layout, ports),
        "free space": lambda: _space(layout),
        "disk": lambda: _disk(layout),
    }
    for name, check in checks.items():
        try:
            yield CheckResult(name, True, check())
        except GlomarError as fault:
            yield CheckResult(name, False, str(fault))


def _python() -> str:
    return f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}"


def _programs() -> str:
    return ", ".join(Path(program(name)).name for name in PROGRAMS)


def _nats_server() -> str:
    found = subprocess.run(
        [program("nats-server"), "--version"], capture_output=True, text=True, check=False, timeout=10
    )
    if found.returncode:
        raise Misconfigured("it does not run here", where="nats-server", fix="Install Glomar again")
    return found.stdout.strip()


def _loopback() -> str:
    try:
        socket.create_server((HOST, 0)).close()
    except OSError as error:
        raise Misconfigured(f"can't be used ({error.strerror})", where=HOST) from None
    return HOST


def _directory(layout: Layout) -> str:
    place = _existing(layout.root)
    if not os.access(place, os.W_OK | os.X_OK):
        raise Misconfigured("can't be written to", where=str(place), fix="Choose another with --data-dir")
    return str(layout.root) if layout.root.exists() else f"{layout.root} will be made"


def _agreement(layout: Layout) -> str:
    if not layout.signatures.exists():
        return "will be made at the first start"
    signed = load_agreement(layout.agreement, load_trust(layout.trust))
    require_all(layout, signed.agreement)
    return f"{signed.agreement.id} version {signed.agreement.version}, signed; SHA-256 {signed.digest[:16]}…"


def _ports(layout: Layout, ports: Ports) -> str:
    if run := runfile.read(layout):
        return f"{', '.join(map(str, run.ports.named().values()))} in use by this system"
    require_free(ports)
    return f"{', '.join(map(str, ports.named().values()))} are free"


def _space(layout: Layout) -> str:
    free = shutil.disk_usage(_existing(layout.root)).free
    if free < MIN_FREE_BYTES:
        raise Misconfigured(
            f"only {free // 1024**2} MB left", where=str(layout.root), fix="A full disk stops every answer"
        )
    return f"{free / 1024**3:.0f} GB"


def _disk(layout: Layout) -> str:
    with tempfile.TemporaryFile(dir=_existing(layout.root)) as file:
        started = time.perf_counter()
        for _ in range(SYNCS):
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
        each_ms = (time.perf_counter() - started) * 1000 / SYNCS
    if each_ms > SLOW_SYNC_MS:
        raise Misconfigured(f"a sync takes {each_ms:.1f} ms", where="disk", fix="Choose a faster disk")
    return f"a sync takes {each_ms:.2f} ms"


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
