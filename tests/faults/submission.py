"""`glomar-requester submit` in a process of its own: the test reads its store and may kill it."""

import contextlib
import signal
import sqlite3
import subprocess
from pathlib import Path

from glomar_local.provision.provision import System
from glomar_local.system.process import program

from tests.faults.request_files import RequestFile
from tests.support.closing import Closing
from tests.support.polling import until
from tests.support.requesting import read_results

TIMEOUT_S = 90


class Submission(Closing):
    """One run with one file. A second run with the same file continues where the first one ended."""

    def __init__(self, system: System, request_file: RequestFile) -> None:
        self._store = system.layout.requests_store
        self._out = system.layout.root / "results.csv"
        self._log = system.layout.root / "submit.log"
        command = [program("glomar-requester"), "submit", str(request_file.file), "--wait", "--json"]
        command += ["--out", str(self._out), "--timeout-s", str(TIMEOUT_S)]
        command += ["--config", str(system.layout.settings("requester"))]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def until_answered(self, number: int) -> None:
        """Returns once that many verified answers are in the store; more are still outstanding."""
        until(
            lambda: answered(self._store) >= number or not self.is_running, f"{number} answers in the store"
        )
        assert self.is_running, f"it ended too early: {self._log.read_text()}"

    def kill(self) -> None:
        self._process.kill()
        assert self._process.wait(10) == -signal.SIGKILL, "it had ended before it was killed"

    def results(self) -> list[dict[str, str]]:
        """Waits until it ends, with exit code 0."""
        code = self._process.wait(TIMEOUT_S + 30)
        assert code == 0, self._log.read_text()
        return read_results(self._out)

    def close(self) -> None:
        if self.is_running:
            self._process.kill()
            self._process.wait(10)


def answered(store: Path) -> int:
    """How many verified answers the agency's store has; 0 while the store is being created."""
    try:
        with contextlib.closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as database:
            (count,) = database.execute("SELECT count(*) FROM answered").fetchone()
    except sqlite3.OperationalError:
        return 0
    return int(count)
