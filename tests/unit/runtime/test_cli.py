"""A command ends with one line and an exit code for every error."""

import subprocess
import sys
from pathlib import Path

import pytest

SAYING = """
from cyclopts import App
from glomar_runtime.cli import run_cli
app = App("said")

@app.default
def say() -> None:
    print("x" * {bytes})

run_cli(app)
"""


@pytest.mark.parametrize("size", [1, 1_000_000], ids=["while it ends", "while it goes on"])
def test_a_full_disk_is_reported_in_one_line(size: int) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", SAYING.format(bytes=size)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (1, "said: No space left on device\n")


def test_a_reader_that_goes_away_is_no_mistake() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SAYING.format(bytes=1_000_000)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0
