"""Runs one command of `make acceptance` and prints its row of docs/evidence.md."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from tests.bench import machine
from tests.bench.processes import ROOT


def run_module(
    module: Sequence[str], result_of: Callable[[str], str], environment: Mapping[str, str] | None = None
) -> str:
    """-> its output. module: a Python module with arguments; result_of: output -> the row's result.

    Fails if the command fails, after printing the row.
    """
    variables = environment or {}
    command, commit = [sys.executable, "-m", *module], machine.commit()
    done = subprocess.run(
        command, env=os.environ | variables, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    command_line = " ".join([*(f"{name}={value}" for name, value in variables.items()), "python -m", *module])
    result = result_of(done.stdout) if done.returncode == 0 else f"FAILED, exit code {done.returncode}"
    print(f"\n{done.stdout}\n| `{command_line}` | {result} | {commit} | {datetime.now(UTC):%Y-%m-%d} |")
    assert done.returncode == 0, command_line
    return done.stdout
