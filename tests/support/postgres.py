"""A real PostgreSQL server of the machine's own package, for tests and the benchmark: started here, as an
unprivileged user, in a directory of its own, reached over a socket and 127.0.0.1."""

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
import pytest
from glomar_local import ports

USER = "glomar"
PASSWORD = "synthetic-people-only"
START_LIMIT_S = 60.0
_UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""


class Server:
    """`url` is let in without a password, over the socket; `tcp_url` isn't."""

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


def programs() -> Path | None:
    """Debian keeps them off the path: /usr/lib/postgresql/<version>/bin."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


@contextmanager
def postgres(settings: Sequence[str] = ()) -> Iterator[Server]:
    """Without the package it fails where a submission is checked, and skips elsewhere, saying so."""
    where = programs()
    if where is None:
        missing = "no PostgreSQL server on this machine: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    # Not under pytest's own directory: a socket's path has at most 107 characters.
    root = Path(tempfile.mkdtemp(prefix="glomar-pg-"))
    try:
        with _running(where, root, settings) as server:
            yield server
    finally:
        shutil.rmtree(root)


@contextmanager
def _running(where: Path, root: Path, settings: Sequence[str]) -> Iterator[Server]:
    account: dict[str, Any] = {"cwd": root}
    if os.geteuid() == 0:
        account |= {"user": _UNPRIVILEGED, "extra_groups": ()}
        shutil.chown(root, _UNPRIVILEGED)
    data, secret, port = root / "data", root / "password", ports.free().bus
    secret.write_text(PASSWORD)
    initdb: list[str | Path] = [
        where / "initdb",
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
        where / "postgres",
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
