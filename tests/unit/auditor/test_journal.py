"""The journal: what a crash may leave, what it may never leave, and a storage that fails."""

import errno
import os
from pathlib import Path

import pytest
from glomar_auditor.journal import Frame, Journal, create_journal, encode_frame, read_frames
from glomar_auditor.tiles import Disk
from glomar_schemas.errors import Fatal, IntegrityError
from hypothesis import given
from hypothesis import strategies as st

BASE = Frame(0, [], "base note\n")
BATCHES = [
    Frame(0, [b"one", b"two"], "note 2\n"),
    Frame(2, [b""], "note 3\n"),
    Frame(3, [b"x" * 300], "— 4\n"),
]
ENCODED = [encode_frame(frame) for frame in (BASE, *BATCHES)]
JOURNAL = b"".join(ENCODED)
LAST_START = len(JOURNAL) - len(ENCODED[-1])


class FailingDisk(Disk):
    """Fails the next sync or write with EIO, then works again: the kernel behaves like that."""

    def __init__(self, call: str) -> None:
        self.call = call
        self.calls = 0

    def append(self, fd: int, data: bytes) -> None:
        self._fail_once("append")
        super().append(fd, data)

    def sync_data(self, fd: int) -> None:
        self._fail_once("sync_data")
        super().sync_data(fd)

    def sync(self, path: Path) -> None:
        self._fail_once("sync")
        super().sync(path)

    def _fail_once(self, call: str) -> None:
        if call == self.call:
            self.calls += 1
            if self.calls == 1:
                raise OSError(errno.EIO, "injected")


def frames_in(data: bytes) -> list[Frame]:
    return [frame for _, frame in read_frames(data, "journal")]


def new_journal(path: Path, disk: Disk | None = None) -> Journal:
    create_journal(path, BASE, Disk())
    return Journal(path, path.stat().st_size, disk or Disk())


@given(
    st.integers(0, 2**62),
    st.lists(st.binary(max_size=50), max_size=20),
    st.text(st.characters(codec="utf-8")),
)
def test_a_frame_is_read_back(start: int, entries: list[bytes], note: str) -> None:
    frame = Frame(start, entries, note)
    assert list(read_frames(encode_frame(frame), "journal")) == [(len(encode_frame(frame)), frame)]


def test_frames_come_in_order_with_the_offset_of_their_end() -> None:
    ends = [sum(map(len, ENCODED[: i + 1])) for i in range(len(ENCODED))]
    assert list(read_frames(JOURNAL, "journal")) == list(zip(ends, [BASE, *BATCHES], strict=True))


def test_a_tail_torn_at_any_byte_is_dropped() -> None:
    for end in range(LAST_START, len(JOURNAL)):
        assert frames_in(JOURNAL[:end]) == [BASE, *BATCHES[:-1]]


def test_a_torn_tail_whose_length_was_kept_but_not_its_bytes_is_dropped() -> None:
    for end in range(LAST_START, len(JOURNAL)):
        assert frames_in(JOURNAL[:end].ljust(len(JOURNAL), b"\x00")) == [BASE, *BATCHES[:-1]]


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_changed_byte_before_the_last_frame_is_damage_and_says_what_to_do(mask: int) -> None:
    for place in range(LAST_START):
        data = bytearray(JOURNAL)
        data[place] ^= mask
        with pytest.raises(IntegrityError, match="restore the ledger directory"):
            frames_in(bytes(data))


def test_a_changed_byte_in_the_last_frame_never_yields_another_frame() -> None:
    for place in range(LAST_START, len(JOURNAL)):
        data = bytearray(JOURNAL)
        data[place] ^= 0x10
        assert frames_in(bytes(data)) == [BASE, *BATCHES[:-1]]


@pytest.mark.parametrize("size", [1, 12, len(ENCODED[0]) - 1])
def test_a_journal_without_its_base_is_damage(size: int) -> None:
    with pytest.raises(IntegrityError):
        frames_in(JOURNAL[:size])


def test_appended_frames_are_on_disk_in_one_write_and_one_sync(tmp_path: Path) -> None:
    steps: list[str] = []

    class CountingDisk(Disk):
        def append(self, fd: int, data: bytes) -> None:
            steps.append("append")
            super().append(fd, data)

        def sync_data(self, fd: int) -> None:
            steps.append("sync_data")
            super().sync_data(fd)

    journal = new_journal(tmp_path / "journal", CountingDisk())
    for frame in BATCHES:
        journal.append(frame)
    assert (tmp_path / "journal").read_bytes() == JOURNAL
    assert journal.size == len(JOURNAL)
    assert steps == ["append", "sync_data"] * 3
    journal.close()


def test_opening_cuts_the_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(JOURNAL[:-1])
    journal = Journal(path, LAST_START, Disk())
    journal.append(BATCHES[-1])
    journal.close()
    assert path.read_bytes() == JOURNAL


@pytest.mark.parametrize("call", ["append", "sync_data"])
def test_after_a_storage_error_nothing_is_tried_again(tmp_path: Path, call: str) -> None:
    disk = FailingDisk(call)
    journal = new_journal(tmp_path / "journal", disk)
    with pytest.raises(Fatal, match="refused a write or a sync"):
        journal.append(BATCHES[0])
    with pytest.raises(Fatal, match="closed"):
        journal.append(BATCHES[0])
    with pytest.raises(Fatal, match="closed"):
        journal.compact(BASE)
    assert disk.calls == 1


def test_a_storage_error_while_compacting_leaves_the_old_journal_and_closes_it(tmp_path: Path) -> None:
    journal = new_journal(tmp_path / "journal", FailingDisk("sync"))
    journal.append(BATCHES[0])
    with pytest.raises(Fatal):
        journal.compact(Frame(2, [], "note 2\n"))
    assert frames_in((tmp_path / "journal").read_bytes()) == [BASE, BATCHES[0]]
    with pytest.raises(Fatal, match="closed"):
        journal.append(BATCHES[1])


def test_a_short_write_is_a_storage_error(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        Disk().append(file.fileno(), b"whole")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(OSError, match="wrote"):
        Disk().append(writing, bytes(10_000_000))
    os.close(reading)
    os.close(writing)


def test_compacting_starts_over_from_the_new_base(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = new_journal(path)
    for frame in BATCHES:
        journal.append(frame)
    base = Frame(4, [], "note 4\n")
    journal.compact(base)
    assert frames_in(path.read_bytes()) == [base]
    journal.append(Frame(4, [b"five"], "note 5\n"))
    assert frames_in(path.read_bytes()) == [base, Frame(4, [b"five"], "note 5\n")]
    assert journal.size == path.stat().st_size
    journal.close()


@pytest.mark.parametrize("change", ["append", "replace", "remove"])
def test_a_journal_that_someone_else_changed_is_not_written_to(tmp_path: Path, change: str) -> None:
    path = tmp_path / "journal"
    journal = new_journal(path)
    if change == "append":
        path.write_bytes(path.read_bytes() + ENCODED[1])
    else:
        path.unlink()
        if change == "replace":
            path.write_bytes(ENCODED[0])
    with pytest.raises(IntegrityError, match="another process"):
        journal.append(BATCHES[0])
    with pytest.raises(Fatal, match="closed"):
        journal.append(BATCHES[0])
