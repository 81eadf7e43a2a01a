"""A crash, a failed write or sync, a full disk and a power cut at every step: no released receipt is lost."""

import errno
import os
import shutil
import signal
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from glomar_auditor.ledger import tiles
from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.fsck import verify
from glomar_auditor.ledger.ledger import Ledger
from glomar_schemas.errors import Fatal
from glomar_schemas.tlog.note import Checkpoint

from tests.unit.auditor.ledger.test_ledger import (
    BATCHES,
    HASHES,
    KEY,
    LOG,
    ORIGIN,
    SIGNER,
    open_ledger,
    written,
)
from tests.unit.auditor.machine import Crash, Machine
from tests.unit.schemas.tlog.test_merkle import naive_root

HALVED = ("create", "append", "remove")
ENDS = [sum(BATCHES[: i + 1]) for i in range(len(BATCHES))]


@pytest.fixture(autouse=True)
def one_full_file_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small, so that some full tiles are synced during the run and some at its end."""
    monkeypatch.setattr(tiles, "MAX_UNSYNCED", 1)


@cache
def root(size: int) -> bytes:
    return naive_root(HASHES[:size])


def run(directory: Path, disk: Disk, released: list[Checkpoint], batches: int = len(BATCHES)) -> None:
    """One process of an auditor: opens the ledger, then appends so many of the missing batches."""
    ledger = open_ledger(directory, disk)
    try:
        for end in [end for end in ENDS if end > ledger.size][:batches]:
            released.append(ledger.append(LOG[ledger.size : end]))
    finally:
        ledger.close()


def require_kept(directory: Path, released: list[Checkpoint], machine: Machine) -> None:
    """After the last crash: what was released is there, at most one batch more, and append works."""
    released_size = max((checkpoint.size for checkpoint in released), default=0)
    ledger = open_ledger(directory, machine)
    assert ledger.size in (released_size, next((end for end in ENDS if end > released_size), released_size))
    ledger.close()
    assert (report := verify(directory, KEY)).root == root(report.size)
    assert all(checkpoint.root == root(checkpoint.size) for checkpoint in released)
    run(directory, machine, [])
    assert verify(directory, KEY).root == root(ENDS[-1])


def steps(directory: Path) -> list[str]:
    """The number of steps of one process without a fault."""
    machine = Machine()
    run(directory, machine, [])
    shutil.rmtree(directory)
    return machine.steps


@pytest.mark.parametrize("power", ["cut", "cut, but names last", "cut after the next batch"])
def test_a_process_that_dies_at_any_step_loses_no_released_leaf(tmp_path: Path, power: str) -> None:
    directory = tmp_path / "ledger"
    for step, name in enumerate(steps(directory), start=1):
        for fault in ("dies", "dies halfway") if name in HALVED else ("dies",):
            machine, released = Machine(step, fault), list[Checkpoint]()
            with pytest.raises(Crash):
                run(directory, machine, released)
            machine = Machine(before=machine)
            if power == "cut after the next batch":
                # The next process reads what the dead one wrote and never synced.
                run(directory, machine, released, batches=1)
            machine.cut_power(tmp_path, names_last="names" in power)
            require_kept(directory, released, Machine())
            shutil.rmtree(directory)


@pytest.mark.parametrize("fault", ["EIO", "EIO done", "ENOSPC halfway"])
def test_a_step_that_fails_ends_the_ledger_and_loses_no_released_leaf(tmp_path: Path, fault: str) -> None:
    directory = tmp_path / "ledger"
    reason = os.strerror(getattr(errno, fault.split()[0]))
    for step, name in enumerate(steps(directory), start=1):
        if "halfway" in fault and name not in HALVED:
            continue
        machine, released = Machine(step, fault), list[Checkpoint]()
        with pytest.raises(Fatal, match=reason):
            run(directory, machine, released)
        assert len(machine.steps) == step, "it was tried again, or something else after it"
        machine = Machine(before=machine)
        run(directory, machine, released, batches=1)
        machine.cut_power(tmp_path)
        require_kept(directory, released, Machine())
        shutil.rmtree(directory)


@pytest.mark.parametrize("power", ["on", "cut"])
def test_a_recovery_that_dies_at_any_step_is_recovered_from(tmp_path: Path, power: str) -> None:
    original = written(tmp_path / "original", max_journal_bytes=2**20)
    with (original / "journal").open("ab") as journal:
        journal.write(b"torn")
    step, died = 0, True
    while died:
        step += 1
        directory, died = shutil.copytree(original, tmp_path / "copy"), False
        machine = Machine.over(directory, step)
        try:
            open_ledger(directory, machine).close()
        except Crash:
            died = True
        if power == "cut":
            machine.cut_power(directory)
        require_kept(directory, [Checkpoint(ORIGIN, ENDS[-1], root(ENDS[-1]))], Machine())
        shutil.rmtree(directory)
    assert step > 20


class Killed(Disk):
    """Kills its own process before step `left`."""

    def __init__(self, left: int) -> None:
        self.left = left


def _deadly(name: str) -> Callable[..., None]:
    def call(disk: Killed, *arguments: object) -> None:
        disk.left -= 1
        if not disk.left:
            os.kill(os.getpid(), signal.SIGKILL)
        getattr(Disk, name)(disk, *arguments)

    return call


for _name in ("create", "append", "sync_data", "sync", "rename", "remove_directory"):
    setattr(Killed, _name, _deadly(_name))


def test_sigkill_before_any_step_invalidates_no_receipt(tmp_path: Path) -> None:
    """In a separate process, so that the interpreter does nothing after the crash."""
    directory = tmp_path / "ledger"
    for step, _ in enumerate(steps(directory), start=1):
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            _live(directory, Killed(step), writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            reported = pipe.read()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        sizes = [size for (size,) in struct.iter_unpack(">I", reported)]
        require_kept(directory, [Checkpoint(ORIGIN, size, root(size)) for size in sizes], Machine())
        shutil.rmtree(directory)


def _live(directory: Path, disk: Disk, pipe: int) -> None:
    try:
        ledger = Ledger.open(directory, SIGNER, ORIGIN, disk=disk, max_journal_bytes=8_000)
        for end in ENDS:
            os.write(pipe, struct.pack(">I", ledger.append(LOG[ledger.size : end]).size))
    finally:
        os._exit(1)
