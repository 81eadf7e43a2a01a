"""The holder's veto in a running system: used without a restart, and visible nowhere."""

import csv
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from glomar_requester import Ask, Result
from glomar_verifier.holder_lists.veto import Veto, write
from msgspec.structs import replace

from tests.integration.canary_search import in_tree
from tests.support.commands import run
from tests.support.requesting import ask_all, profile, rows, to_ask
from tests.support.running_system import RunningSystem, glomar_up

CANARY = "zwyxcanary"
YESTERDAY = datetime.now(UTC).date() - timedelta(days=2)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningSystem]:
    with glomar_up(tmp_path / "data") as found:
        yield found


def install(running: RunningSystem, content: str) -> subprocess.CompletedProcess[str]:
    source = running.layout.root.parent / f"{CANARY}.csv"
    source.write_text(f"person_id,since,reason\n{content}", encoding="utf-8")
    return run("glomar-verifier", "veto", "install", str(source), "--to", str(running.layout.veto))


def test_a_veto_is_a_plain_deny_from_the_next_request_on_and_visible_nowhere(
    running: RunningSystem, tmp_path: Path
) -> None:
    row = next(row for row in rows() if row["klass"] == "true")
    used, number = profile(running.layout, tmp_path / "store.db"), 0

    def ask() -> Result:
        nonlocal number
        number += 1
        once: Ask = replace(to_ask(row), reference=f"V-{number}")
        [result] = ask_all(replace(used, store=tmp_path / f"store-{number}.db"), [once])
        return result

    assert ask().outcome == "confirm"
    person = person_of(running, row)
    listed = install(running, f"{person},{YESTERDAY},{CANARY}\nanother,{YESTERDAY},{CANARY}\n")
    assert (listed.returncode, listed.stdout) == (0, f"{running.layout.veto}: 2 people\n")
    denied = ask()
    assert (denied.outcome, denied.refusals) == ("deny", ())

    bad = install(running, f"another,{YESTERDAY},{CANARY}\n{person},{CANARY},\n")
    assert bad.returncode == 3
    assert "line 3, since: not a date" in bad.stdout
    assert "nothing was installed" in bad.stderr
    assert CANARY not in bad.stdout.replace(f"{CANARY}.csv", "") + bad.stderr.replace(f"{CANARY}.csv", "")
    assert ask().outcome == "deny"

    running.layout.veto.write_text(f"person_id,since\n{person},{CANARY}\n")
    assert ask().outcome == "deny"
    write(Veto(), running.layout.veto)
    assert ask().outcome == "confirm"

    assert "a file is refused, the old one stays in force" in running.layout.log("verifier").read_text()
    found = in_tree(running.layout.root, [CANARY, person])
    assert {"register.csv"} <= set(found) <= {"register.csv", "verifier/register.db"}


def person_of(running: RunningSystem, row: dict[str, str]) -> str:
    """The register's id of the person with the row's name and present address."""
    columns = ("first_name", "last_name", "suffix", "street_number", "street_name", "unit", "zip", "to_year")
    wanted = [row.get(column, "") for column in columns]
    with running.layout.register_csv.open(encoding="utf-8", newline="") as file:
        [person] = {
            each["person_id"] for each in csv.DictReader(file) if [each[c] for c in columns] == wanted
        }
    return person
