"""`glomar-requester submit` as a process of its own, watched through its store and killed when asked."""

import contextlib
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from glomar_local.provision.provision import System
from glomar_local.system.process import program

from tests.faults.data import Asked
from tests.faults.evidence import read_results
from tests.faults.waiting import until

TIMEOUT_S = 90


class Submission:
    """One run over one file. Running the same file again goes on where the last one ended."""

    def __init__(self, system: System, asked: Asked) -> None:
        self._store = system.layout.requests_store
        self._out = system.layout.root / "results.csv"
        self._log = system.layout.root / "submit.log"
        command = [program("glomar-requester"), "submit", str(asked.file), "--wait", "--json"]
        command += ["--out", str(self._out), "--timeout-s", str(TIMEOUT_S)]
        command += ["--config", str(system.layout.settings("requester"))]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def until_answered(self, number: int) -> None:
        """Returns once that many verified answers are in the store, while the rest is on its way."""
        until(
            lambda: answered(self._store) >= number or not self.is_running, f"{number} answers in the store"
        )
        assert self.is_running, f"it ended too early: {self._log.read_text()}"

    def kill(self) -> None:
        self._process.kill()
        assert self._process.wait(10) == -signal.SIGKILL, "it had ended before it was killed"

    def results(self) -> list[dict[str, str]]:
        """Waits for its end, which must be a good one."""
        code = self._process.wait(TIMEOUT_S + 30)
        assert code == 0, self._log.read_text()
        return read_results(self._out)

    def close(self) -> None:
        if self.is_running:
            self._process.kill()
            self._process.wait(10)


@contextlib.contextmanager
def submitting(system: System, asked: Asked) -> Iterator[Submission]:
    submission = Submission(system, asked)
    try:
        yield submission
    finally:
        submission.close()


def answered(store: Path) -> int:
    """How many verified answers the agency's store holds; 0 while it is being made."""
    try:
        with contextlib.closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as database:
            (count,) = database.execute("SELECT count(*) FROM answered").fetchone()
    except sqlite3.OperationalError:
        return 0
    return int(count)
