"""`glomar-auditor control` as officials type it, on the files of a data directory."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from cyclopts import App
from glomar_auditor.cli import app
from glomar_local.layout import Layout
from glomar_runtime.cli import run_cli

HOLDER, OVERSIGHT, AGENCY = "verifier", "auditor", "requester"
"""Whose settings file: the service of the party that they belong to."""


def run_in_process(app: App, command: list[str]) -> CompletedProcess[str]:
    """In this process, which is as the program does it and spares its start."""
    code, out, err = 0, io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run_cli(app, command)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return CompletedProcess(command, code, out.getvalue(), err.getvalue())


class ControlCommands:
    """Drafts, signs and publishes files in a folder of the test's own."""

    def __init__(self, layout: Layout, folder: Path) -> None:
        self._layout = layout
        self._folder = folder

    def file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def run(self, *arguments: str, as_: str = OVERSIGHT) -> CompletedProcess[str]:
        """What became of it."""
        return run_in_process(app, ["control", *arguments, "--config", str(self._layout.settings(as_))])

    def json(self, *arguments: str, as_: str = OVERSIGHT) -> dict[str, Any]:
        """What it prints, if it ends well."""
        ended = self.run(*arguments, "--json", as_=as_)
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def draft_hold(self, name: str, scope: str, *more: str, as_: str = OVERSIGHT) -> dict[str, Any]:
        words = ("--scope", scope, "--authority", "Order of the court", *more)
        return self.json("draft", "hold", str(self.file(name)), *words, as_=as_)

    def draft_lift(self, name: str, slot: int, *more: str, as_: str = OVERSIGHT) -> dict[str, Any]:
        words = ("--lifts", str(slot), "--authority", "Order of the court", *more)
        return self.json("draft", "lift", str(self.file(name)), *words, as_=as_)

    def sign(self, name: str, *parties: str) -> dict[str, Any]:
        for party in parties:
            key = self._layout.private_key(party, "official")
            found = self.json("sign", str(self.file(name)), "--key", str(key))
        return found

    def publish(self, name: str, as_: str = OVERSIGHT) -> dict[str, Any]:
        return self.json("publish", str(self.file(name)), as_=as_)
