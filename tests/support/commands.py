"""Commands of the product, as processes or within the test's own process."""

import io
import json
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from cyclopts import App
from glomar_local.system.process import program
from glomar_runtime.cli import run_cli

LIMIT_S = 300.0


def run(*command: str, **settings: str) -> CompletedProcess[str]:
    """The first word names a program. settings: GLOMAR_* variables, by the names of the settings' fields."""
    environment = {**os.environ, **{f"GLOMAR_{name.upper()}": value for name, value in settings.items()}}
    return subprocess.run(
        [program(command[0]), *command[1:]],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=LIMIT_S,
        check=False,
    )


def run_in_process(app: App, command: list[str]) -> CompletedProcess[str]:
    """Without the start of a process."""
    code, out, err = 0, io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run_cli(app, command)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return CompletedProcess(command, code, out.getvalue(), err.getvalue())


def submit(requests: Path, results: Path, config: Path) -> dict[str, Any]:
    """`glomar-requester submit --wait` -> its JSON summary. Fails if the command fails."""
    words = ("submit", str(requests), "--wait", "--json", "--out", str(results), "--config", str(config))
    ended = run("glomar-requester", *words)
    assert ended.returncode == 0, ended.stderr
    summary: dict[str, Any] = json.loads(ended.stdout)
    return summary
