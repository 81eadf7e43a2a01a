"""A ledger of 1,000 entries, damaged in every way: what `verify` finds, and what only the monitor finds.

A sample of each kind here; `python -m tests.bench.checking` tries every byte, cut, swap and replay.
"""

import shutil
from pathlib import Path

import pytest
from glomar_auditor.ledger.fsck import verify
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.monitoring.monitor import Growth, monitor
from glomar_schemas.errors import IntegrityError, Unreachable
from glomar_schemas.tlog.client import Directory

from tests.support import damage
from tests.support.damage import EARLIER, ENTRIES, KEY, ORIGIN, SIGNER

SMALL = 300
"""Files up to this size are tested with each byte changed."""
EVERY = {
    "a bit of one byte flipped": 397,
    "a file cut or removed": 997,
    "entries, hashes or files swapped": 23,
    "an entry or hash repeated or left out": 59,
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return damage.write(tmp_path_factory.mktemp("damage") / "ledger")


@pytest.fixture
def ledger(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(original, tmp_path / "copy"))


@pytest.fixture
def state(original: Path, tmp_path: Path) -> Path:
    """The state of a monitor that has checked the whole ledger."""
    run_monitor(original, tmp_path / "state")
    return tmp_path / "state"


def run_monitor(directory: Path, state: Path) -> Growth:
    return monitor(Directory(directory), KEY, state)


def test_the_ledger_has_every_kind_of_file(original: Path) -> None:
    assert set(damage.published(original)) == {
        "checkpoint",
        "log.vkey",
        *(f"tile/{kind}/{name}" for kind in ("0", "entries") for name in ("000", "001", "002")),
        *(f"tile/{kind}/003.p/{size % 256}" for kind in ("0", "entries") for size in (EARLIER, ENTRIES)),
        "tile/1/000.p/3",
    }
    assert verify(original, KEY).size == ENTRIES


@pytest.mark.parametrize("kind", damage.KINDS)
def test_verify_notices(ledger: Path, kind: str) -> None:
    changes = damage.KINDS[kind](damage.published(ledger), 0, EVERY[kind])
    assert list(damage.unnoticed(ledger, changes)) == []
    assert verify(ledger, KEY).size == ENTRIES


def test_verify_notices_each_flipped_byte_of_the_small_files(ledger: Path) -> None:
    small = {name: data for name, data in damage.published(ledger).items() if len(data) <= SMALL}
    assert set(small) == {"checkpoint", "log.vkey", "tile/1/000.p/3"}
    for kind in (damage.flips, damage.truncations):
        assert list(damage.unnoticed(ledger, kind(small))) == []


@pytest.mark.parametrize("kind", [damage.flips, damage.truncations, damage.reorders])
def test_a_monitor_notices_the_same_in_what_it_reads(ledger: Path, tmp_path: Path, kind: damage.Kind) -> None:
    """In its first run: the checkpoint, every entry, and the right edge of the tree."""
    edge = f".p/{ENTRIES % 256}"
    read = {
        name: data
        for name, data in damage.published(ledger).items()
        if name in ("checkpoint", "tile/1/000.p/3")
        or name.endswith(edge)
        or name.startswith("tile/entries/00")
    }
    del read[f"tile/entries/003.p/{EARLIER % 256}"]
    changes = (each for each in kind(read, 0, 499) if None not in each.files.values())
    assert (
        list(damage.unnoticed(ledger, changes, lambda damaged: run_monitor(damaged, tmp_path / "state")))
        == []
    )


def test_a_monitor_concludes_nothing_if_a_file_is_missing(ledger: Path, tmp_path: Path) -> None:
    for name in ("checkpoint", "tile/entries/001", f"tile/0/003.p/{ENTRIES % 256}"):
        content = (ledger / name).read_bytes()
        (ledger / name).unlink()
        with pytest.raises(Unreachable, match=name.partition(".p")[0]):
            run_monitor(ledger, tmp_path / "state")
        (ledger / name).write_bytes(content)
    assert run_monitor(ledger, tmp_path / "state").now.size == ENTRIES


def test_only_the_monitor_notices_an_older_copy(state: Path, tmp_path: Path) -> None:
    older = damage.write(tmp_path / "older", EARLIER)
    assert verify(older, KEY).size == EARLIER
    with pytest.raises(IntegrityError, match=f"ends at {EARLIER} entries, and {ENTRIES} were signed before"):
        run_monitor(older, state)


def test_only_the_monitor_notices_an_older_checkpoint(ledger: Path, state: Path, tmp_path: Path) -> None:
    older = damage.write(tmp_path / "older", EARLIER)
    shutil.copy(older / "checkpoint", ledger / "checkpoint")
    assert verify(ledger, KEY).size == EARLIER
    with pytest.raises(IntegrityError, match="were signed before"):
        run_monitor(ledger, state)


@pytest.mark.parametrize("size", [ENTRIES, ENTRIES + 10])
def test_only_the_monitor_notices_a_ledger_rewritten_under_the_same_key(
    state: Path, tmp_path: Path, size: int
) -> None:
    other = Ledger.open(tmp_path / "other", SIGNER, ORIGIN)
    other.append([damage.entry(1, "another"), *(damage.entry(n) for n in range(2, size + 1))])
    other.close()
    assert verify(tmp_path / "other", KEY).size == size
    with pytest.raises(IntegrityError, match="rewritten"):
        run_monitor(tmp_path / "other", state)


def test_neither_minds_files_that_no_checkpoint_speaks_of(ledger: Path, state: Path) -> None:
    for name in ("tile/0/004", "tile/entries/004", "tile/5/000", "tile/0/000.p/notes.txt", "README"):
        path = ledger / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left by somebody")
    assert verify(ledger, KEY).size == ENTRIES
    assert run_monitor(ledger, state).now.size == ENTRIES


def test_verify_notices_a_partial_file_that_never_was(ledger: Path) -> None:
    for kind in ("0", "entries"):
        path = ledger / f"tile/{kind}/000.p/5"
        path.parent.mkdir()
        path.write_bytes(bytes(160))
        with pytest.raises(IntegrityError, match=r"000\.p/5"):
            verify(ledger, KEY)
        shutil.rmtree(path.parent)
