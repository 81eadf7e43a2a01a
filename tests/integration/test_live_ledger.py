"""The ledger of a running system, checked by Go, by Sigstore and by `glomar-auditor verify`."""

import shutil
import subprocess
from pathlib import Path

import pytest
from glomar_auditor.monitoring.monitor import monitor
from glomar_local.ports import HOST
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.client import Directory, source
from glomar_schemas.tlog.layout import bundle_path, tile_path
from glomar_schemas.tlog.tree import TILE_WIDTH

from tests.integration import test_foreign_sigstore as sigstore
from tests.integration import test_foreign_verifier as foreign
from tests.support.bus import Bus
from tests.support.commands import run
from tests.support.live_copy import copy_live
from tests.support.recorded import await_ledger, log_key
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.running_system import RunningSystem, system_of

INTEGRITY = 6
verifier = foreign.verifier


@pytest.fixture(scope="module")
def live(system: RunningSystem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the ledger, and a receipt that the requester's command printed."""
    folder = tmp_path_factory.mktemp("live")
    settings, store = str(system.layout.settings("requester")), system.layout.requests_store
    [result, *others] = ask_all(profile(system.layout, store), confirmable(20))
    assert [each.outcome for each in (result, *others)] == ["confirm"] * 20
    proved = run("glomar-requester", "prove", result.request_id, "--config", settings)
    assert proved.returncode == 0, proved.stderr
    (folder / "receipt").write_text(proved.stdout, encoding="utf-8", newline="\n")
    with Bus(system_of(system)) as bus:
        assert len(await_ledger(bus)) >= 40
    copy_live(system.layout.ledger, folder / "ledger")
    return folder


@pytest.fixture
def copy(live: Path, tmp_path: Path) -> Path:
    """A copy that the test may damage."""
    shutil.copytree(live, tmp_path / "copy")
    return tmp_path / "copy" / "ledger"


def ours(ledger: Path) -> subprocess.CompletedProcess[str]:
    return run("glomar-auditor", "verify", str(ledger), "--vkey", str(ledger / "log.vkey"))


def newest(ledger: Path) -> tuple[int, int]:
    """Index and width of the last bundle, and of its level 0 tile."""
    size = int((ledger / "checkpoint").read_text(encoding="utf-8").splitlines()[1])
    index = (size - 1) // TILE_WIDTH
    return index, size - index * TILE_WIDTH


def entries(ledger: Path) -> Path:
    return ledger / bundle_path(*newest(ledger))


def test_go_and_ours_accept_the_ledger_of_a_running_system(verifier: Path, copy: Path) -> None:
    by_go, by_us = foreign.run(verifier, copy), ours(copy)

    assert by_go.returncode == 0, by_go.stderr
    assert "receipt for" in by_go.stdout
    assert by_us.returncode == 0, by_us.stderr
    [size] = [line.split(" ")[1] for line in by_us.stdout.splitlines() if "verified" in line]
    assert f"{size} entries" in by_go.stdout


@pytest.mark.parametrize("where", ["entries", "checkpoint"])
def test_go_and_ours_reject_it_with_one_byte_changed(verifier: Path, copy: Path, where: str) -> None:
    foreign.flip_middle_byte(entries(copy) if where == "entries" else copy / "checkpoint")

    by_go, by_us = foreign.run(verifier, copy), ours(copy)

    assert (by_go.returncode, by_go.stderr[:10]) == (1, "REJECTED: ")
    assert by_us.returncode == INTEGRITY, by_us.stderr


def test_ours_rejects_a_changed_hash_tile(copy: Path) -> None:
    foreign.flip_middle_byte(copy / tile_path(0, *newest(copy)))

    assert ours(copy).returncode == INTEGRITY


def test_sigstore_accepts_it_and_rejects_it_with_one_byte_changed(copy: Path) -> None:
    accepted = sigstore.run(copy)
    assert accepted.returncode == 0, accepted.stderr

    for file in (copy / "checkpoint", copy.parent / "receipt"):
        content = file.read_bytes()
        foreign.flip_middle_byte(file)
        assert sigstore.run(copy).returncode == 1
        file.write_bytes(content)


def test_a_monitor_follows_what_the_auditor_publishes_and_notices_an_older_copy(
    system: RunningSystem, copy: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with Bus(system_of(system)) as bus:
        ask_all(profile(system.layout, tmp_path / "requests.db"), confirmable(21)[20:])
        await_ledger(bus)

    key = log_key(system_of(system))
    first = monitor(Directory(copy), key, state)
    with source(f"http://{HOST}:{system.ports.auditor}/log") as published:
        second = monitor(published, key, state)
    assert second.before == first.now and second.now.size > first.now.size
    with pytest.raises(IntegrityError, match=f"ends at {first.now.size} entries"):
        monitor(Directory(copy), key, state)


def test_go_rejects_a_changed_receipt(verifier: Path, copy: Path) -> None:
    foreign.flip_middle_byte(copy.parent / "receipt")

    assert foreign.run(verifier, copy).returncode == 1
