"""`glomar-auditor control` of the officials, on the files of a data directory."""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from glomar_auditor.cli import app
from glomar_local.layout import Layout

from tests.support.commands import run_in_process
from tests.support.service_processes import plain_lines

HOLDER, OVERSIGHT, AGENCY = "verifier", "auditor", "requester"
"""A party -> its service, which names the settings file."""


def require_error_line(ended: CompletedProcess[str], code: int, words: str) -> None:
    """The command printed one line for people, with these words, and nothing else."""
    lines = plain_lines(ended.stderr)
    assert (len(lines), ended.returncode) == (1, code), ended.stderr
    assert words in lines[0]
    assert ended.stdout == ""


class ControlCommands:
    """Drafts, signs and publishes files in one folder."""

    def __init__(self, layout: Layout, folder: Path) -> None:
        self._layout = layout
        self._folder = folder

    def file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def run(self, *arguments: str, as_: str = OVERSIGHT) -> CompletedProcess[str]:
        return run_in_process(app, ["control", *arguments, "--config", str(self._layout.settings(as_))])

    def json(self, *arguments: str, as_: str = OVERSIGHT) -> dict[str, Any]:
        """Its JSON output. Fails if the command fails."""
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
