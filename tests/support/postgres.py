"""A PostgreSQL server for tests and benchmarks, with its own directory, on a socket and on 127.0.0.1."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from glomar_local import ports

from tests.support.needs import need

USER = "glomar"
PASSWORD = "synthetic-people-only"
START_LIMIT_S = 60.0
_UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""


class Server:
    """`url`: over the socket, without a password; `tcp_url`: with a password."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port

    def url(self, database: str = "postgres", user: str = USER) -> str:
        return f"postgresql://{user}@/{database}?host={self.root}&port={self.port}"

    def tcp_url(self, passfile: Path, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}?passfile={passfile}"

    def database(self, name: str) -> str:
        """-> the URL of a new, empty database."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.url(name)


@contextmanager
def postgres(settings: Sequence[str] = ()) -> Iterator[Server]:
    """settings: of postgresql.conf, as `name=value`."""
    programs = need("postgresql").parent
    # Not under pytest's own directory: a socket's path has at most 107 characters.
    root = Path(tempfile.mkdtemp(prefix="glomar-pg-"))
    try:
        with _running(programs, root, settings) as server:
            yield server
    finally:
        shutil.rmtree(root)


@contextmanager
def _running(programs: Path, root: Path, settings: Sequence[str]) -> Iterator[Server]:
    account: dict[str, Any] = {"cwd": root}
    if os.geteuid() == 0:
        account |= {"user": _UNPRIVILEGED, "extra_groups": ()}
        shutil.chown(root, _UNPRIVILEGED)
        programs = _readable(programs, root)
    data, secret, port = root / "data", root / "password", ports.free().bus
    secret.write_text(PASSWORD)
    initdb: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        USER,
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    initdb += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **account)
    options = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={root}", *settings]
    command: list[str | Path] = [
        programs / "postgres",
        "-D",
        data,
        *(word for option in options for word in ("-c", option)),
    ]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **account)
    try:
        server = Server(root, port)
        _wait_for(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_LIMIT_S)


def _readable(programs: Path, root: Path) -> Path:
    """A copy for the unprivileged account, which may have no access to the checkout.

    The programs find their libraries by a relative path, which the copy preserves.
    """
    package = programs.parents[1]
    if not package.with_suffix(".libs").is_dir():
        return programs
    for source in (programs.parent, package.with_suffix(".libs")):
        copy = shutil.copytree(source, root / "programs" / source.relative_to(package.parent), symlinks=True)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, root.stat().st_uid, -1, follow_symlinks=False)
    return root / "programs" / programs.relative_to(package.parent)


def _wait_for(server: Server, process: "subprocess.Popen[Any]") -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(server.url()).close()
            return
        except psycopg.OperationalError:
            log = (server.root / "log").read_text()
            assert process.poll() is None and time.monotonic() < deadline, log
            time.sleep(0.05)
