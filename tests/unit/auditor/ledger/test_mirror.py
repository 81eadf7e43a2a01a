"""A copy of the published files: complete at every moment, brought up to date, and never another history."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from glomar_auditor.ledger import mirror
from glomar_auditor.ledger.disk import Disk
from glomar_local.system.process import program
from glomar_schemas.errors import Misconfigured, Unreachable
from glomar_schemas.tlog.client import Directory, Forked, PublishedLog
from glomar_schemas.tlog.inclusion_watch import absent
from glomar_schemas.tlog.layout import CHECKPOINT, COSIGNED

from tests.support.published_ledger import OPENED, ORIGIN, extend, leaves, own

INTEGRITY = 6


def require_readable(copy: Path, size: int) -> None:
    log = PublishedLog.read(Directory(copy), OPENED)
    assert log.size == size
    assert not absent(log, own(*range(1, size + 1)))


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_a_copy_holds_what_is_published_and_nothing_else(tmp_path: Path) -> None:
    ledger = extend(tmp_path / "ledger", leaves(600), 600)

    copied = mirror.publish(ledger, tmp_path / "copy", OPENED)

    assert (copied.origin, copied.size) == (ORIGIN, 600)
    require_readable(tmp_path / "copy", 600)
    assert names(tmp_path / "copy") == names(ledger) - {"journal", "lock", "log.vkey"}
    assert copied.files == len(names(tmp_path / "copy"))


def test_a_copy_is_brought_up_to_date_with_what_it_lacks(tmp_path: Path) -> None:
    ledger, copy = tmp_path / "ledger", tmp_path / "copy"
    for size in (0, 5, 255, 256, 600):
        extend(ledger, leaves(600), size)
        mirror.publish(ledger, copy, OPENED)
        require_readable(copy, size)
    assert not [path for path in names(copy) if path.startswith(("tile/0/000.p", "tile/entries/000.p"))]
    assert mirror.publish(ledger, copy, OPENED).files == 1, "the checkpoint"


def test_a_copy_never_shows_witnesses_more_than_its_newest_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look like a rollback."""
    ledger, copy = tmp_path / "ledger", tmp_path / "copy"
    replace_durably = Disk.replace_durably

    def only_one(self: Disk, path: Path, data: bytes) -> None:
        monkeypatch.setattr(Disk, "replace_durably", full)
        replace_durably(self, path, data)

    def full(self: Disk, path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    for size, durably in ((5, replace_durably), (20, only_one)):
        monkeypatch.undo()
        extend(ledger, leaves(20), size)
        (ledger / COSIGNED).write_bytes((ledger / CHECKPOINT).read_bytes())
        monkeypatch.setattr(Disk, "replace_durably", durably)
        with suppress(Misconfigured):
            mirror.publish(ledger, copy, OPENED)
    shown = [OPENED((copy / name).read_text()).size for name in (CHECKPOINT, COSIGNED)]
    assert shown == [20, 5]


def test_a_file_that_a_crash_left_empty_is_written_again(tmp_path: Path) -> None:
    ledger, copy = extend(tmp_path / "ledger", leaves(600), 600), tmp_path / "copy"
    mirror.publish(ledger, copy, OPENED)
    (copy / "tile" / "entries" / "001").write_bytes(b"")

    mirror.publish(ledger, copy, OPENED)

    require_readable(copy, 600)


def test_readers_find_all_that_the_checkpoint_needs_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, copy = extend(tmp_path / "ledger", leaves(600), 200), tmp_path / "copy"
    mirror.publish(ledger, copy, OPENED)
    extend(ledger, leaves(600), 600)
    seen: list[int] = []

    def watched(self: Disk, source: Path, target: Path) -> None:
        size = PublishedLog.read(Directory(copy), OPENED).size
        require_readable(copy, size)
        seen.append(size)
        source.replace(target)

    monkeypatch.setattr(Disk, "rename", watched)
    mirror.publish(ledger, copy, OPENED)

    assert len(seen) > 5 and set(seen) == {200}
    require_readable(copy, 600)


def test_a_copy_of_another_history_is_left_alone(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    mirror.publish(extend(tmp_path / "ledger", leaves(300), 300), copy, OPENED)
    before = (copy / "checkpoint").read_bytes()

    with pytest.raises(Forked):
        mirror.publish(extend(tmp_path / "other", leaves(400, changed=[2]), 400), copy, OPENED)
    with pytest.raises(Unreachable):
        mirror.publish(extend(tmp_path / "older", leaves(300), 200), copy, OPENED)
    assert (copy / "checkpoint").read_bytes() == before
    require_readable(copy, 300)


def test_a_copy_that_can_not_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("a file")

    with pytest.raises((Misconfigured, Unreachable)):
        mirror.publish(extend(tmp_path / "ledger", leaves(3), 3), tmp_path / "copy", OPENED)


def test_a_ledger_is_not_published_into_itself(tmp_path: Path) -> None:
    ledger = extend(tmp_path / "ledger", leaves(3), 3)

    with pytest.raises(Misconfigured, match="the ledger itself"):
        mirror.publish(ledger, tmp_path / "elsewhere" / ".." / "ledger", OPENED)


def test_the_command_publishes_and_refuses_a_fork(tmp_path: Path) -> None:
    ledger = extend(tmp_path / "ledger", leaves(3), 3)

    def publish(directory: Path) -> subprocess.CompletedProcess[str]:
        command = [
            program("glomar-auditor"),
            "publish",
            str(directory),
            "--to",
            str(tmp_path / "copy"),
            "--json",
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    done = publish(ledger)
    forked = publish(extend(tmp_path / "other", leaves(4, changed=[2]), 4))

    assert json.loads(done.stdout) == {"version": 1, "origin": ORIGIN, "size": 3, "files": 3}
    assert (forked.returncode, forked.stdout) == (INTEGRITY, "")
    assert "was rewritten" in forked.stderr
