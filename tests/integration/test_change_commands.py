"""`glomar-auditor control` and `glomar-verifier epoch`: keys and versions come into force step by step."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from glomar_local.layout import Layout

from tests.integration.changes import SOON, command, second_version, wait_for
from tests.integration.control_commands import ControlCommands, require_error_line
from tests.support.bus import Bus, bare_bus

USAGE, REFUSED, UNREACHABLE = 2, 3, 5
AUTHORITY = ("--authority", "MOU section 9")


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with bare_bus(tmp_path / "data") as running:
        yield running


@pytest.fixture
def commands(bus: Bus, tmp_path: Path) -> ControlCommands:
    return ControlCommands(bus.system.layout, tmp_path)


def epoch_command(layout: Layout, *arguments: str) -> dict[str, Any]:
    """The JSON output of `glomar-verifier epoch …`. Fails if the command fails."""
    ended = command(layout, "epoch", *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def states(layout: Layout) -> dict[str, tuple[str, int]]:
    return {
        epoch["key_id"]: (epoch["state"], epoch["files"]) for epoch in epoch_command(layout, "list")["epochs"]
    }


def draft_key(commands: ControlCommands, made: dict[str, Any], name: str = "key") -> dict[str, Any]:
    named = [f"--{field}={made[field]}" for field in ("party", "use", "public")]
    validity = ["--from", made["valid_from"], "--until", made["valid_until"]]
    return commands.json("draft", "key", str(commands.file(name)), *named, *validity, *AUTHORITY)


def test_an_epoch_from_its_creation_to_its_destruction(bus: Bus, commands: ControlCommands) -> None:
    layout, start = bus.system.layout, datetime.now(UTC) + 3 * SOON
    validity = ("--from", start.isoformat(), "--until", (start + SOON).isoformat())
    made = epoch_command(layout, "new", *validity)
    key_id = made["key_id"]
    assert states(layout)[key_id] == ("unnamed", 3)

    draft_key(commands, made)
    assert commands.sign("key", "irs")["missing"] == "a key needs officials of two parties"
    assert commands.sign("key", "tigta")["missing"] == ""
    commands.publish("key")
    assert states(layout)[key_id] == ("in force", 3)
    require_error_line(command(layout, "epoch", "destroy", key_id), REFUSED, "no valid control")

    shred = ("draft", "shred", str(commands.file("shred")), "--key-id", key_id, *AUTHORITY)
    require_error_line(commands.run(*shred), USAGE, "others may still seal")
    wait_for(start + SOON)
    commands.json(*shred)
    commands.sign("shred", "irs")
    require_error_line(commands.run("publish", str(commands.file("shred"))), REFUSED, "two parties")
    require_error_line(command(layout, "epoch", "destroy", key_id), REFUSED, "no valid control")
    assert states(layout)[key_id] == ("in force", 3)
    commands.sign("shred", "ice")
    shown = commands.run("show", str(commands.file("shred"))).stdout
    assert "never be opened again" in shown and key_id in shown
    commands.publish("shred")

    assert states(layout)[key_id] == ("shredded", 3)
    assert epoch_command(layout, "destroy", key_id)["files_destroyed"] == 3
    assert epoch_command(layout, "destroy", key_id)["files_destroyed"] == 0
    assert states(layout)[key_id] == ("shredded", 0)


def test_an_epoch_lasts_38_days_by_default(bus: Bus) -> None:
    made = epoch_command(bus.system.layout, "new", "--from", "2031-01-01")

    assert datetime.fromisoformat(made["valid_until"]) - datetime.fromisoformat(
        made["valid_from"]
    ) == timedelta(days=38)
    assert made["valid_from"] == "2031-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"public": "nonsense"}, "SubjectPublicKeyInfo"),
        ({"party": "atf"}, "no such party"),
        ({"use": "sign"}, "sealing key must be P-256"),
        ({"valid_from": "2025-01-01"}, "before its control"),
        ({"valid_until": "2026-01-01"}, "ends before it begins"),
    ],
)
def test_a_key_that_no_party_would_accept_is_not_drafted(
    bus: Bus, commands: ControlCommands, changes: dict[str, str], words: str
) -> None:
    made = {**epoch_command(bus.system.layout, "new", "--from", "2031-01-01"), **changes}
    named = [f"--{field}={made[field]}" for field in ("party", "use", "public")]
    validity = ["--from", made["valid_from"], "--until", made["valid_until"]]

    ended = commands.run("draft", "key", str(commands.file("key")), *named, *validity, *AUTHORITY)

    require_error_line(ended, USAGE, words)
    assert not commands.file("key").exists()


def test_a_version_comes_into_force_once_every_party_has_signed_it(
    bus: Bus, commands: ControlCommands, tmp_path: Path
) -> None:
    layout = bus.system.layout
    (tmp_path / "elsewhere").mkdir()
    second = second_version(layout, tmp_path / "elsewhere")
    file = tmp_path / "elsewhere" / "agreement-2.toml"
    draft = ("draft", "agreement", str(commands.file("v2")), "--version", str(file), *AUTHORITY)
    require_error_line(commands.run(*draft), USAGE, "not installed here")
    shutil.copytree(file.parent, layout.agreement.parent, dirs_exist_ok=True)

    assert commands.json(*draft)["agreement_digest"] == second.digest
    assert "all its parties" in commands.sign("v2", "irs")["missing"]
    require_error_line(commands.run("publish", str(commands.file("v2"))), REFUSED, "all its parties")
    commands.sign("v2", "ice")
    assert "Version 2" in commands.run("show", str(commands.file("v2"))).stdout
    commands.publish("v2")

    again = ("draft", "agreement", str(commands.file("v1")), "--version", str(layout.agreement), *AUTHORITY)
    require_error_line(commands.run(*again), USAGE, "version 2 is in force")


def test_without_a_bus_an_epoch_can_be_made_but_not_listed_or_destroyed(tmp_path: Path) -> None:
    with bare_bus(tmp_path / "data") as running:
        layout = running.system.layout
    key_id = epoch_command(layout, "new", "--from", "2031-01-01")["key_id"]

    require_error_line(command(layout, "epoch", "list"), UNREACHABLE, "no connection to the bus")
    require_error_line(command(layout, "epoch", "destroy", key_id), UNREACHABLE, "no connection to the bus")
