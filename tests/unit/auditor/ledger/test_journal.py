"""The journal: what a crash may leave, what it may never leave, and a storage that fails."""

import io
import random
import resource
from pathlib import Path

import pytest
from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.journal import Frame, Journal, encode_frame, read_frames
from glomar_schemas.errors import Fatal, IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.auditor.machine import Machine

BASE = Frame(0, [], "base note\n")
BATCHES = [
    Frame(0, [b"one", b"two"], "note 2\n"),
    Frame(2, [b""], "note 3\n"),
    Frame(3, [b"x" * 300], "— 4\n"),
]
ENCODED = [encode_frame(frame) for frame in (BASE, *BATCHES)]
JOURNAL = b"".join(ENCODED)
LAST_START = len(JOURNAL) - len(ENCODED[-1])


def frames_in(data: bytes) -> list[Frame]:
    return list(read_frames(io.BytesIO(data), "journal"))


@given(
    st.integers(0, 2**62),
    st.lists(st.binary(max_size=50), max_size=20),
    st.text(st.characters(codec="utf-8")),
)
def test_a_frame_is_read_back(start: int, entries: list[bytes], note: str) -> None:
    frame = Frame(start, entries, note)
    assert frames_in(encode_frame(frame)) == [frame]


def test_frames_come_in_order() -> None:
    assert frames_in(JOURNAL) == [BASE, *BATCHES]


def test_no_more_than_one_frame_is_read_at_a_time() -> None:
    file = io.BytesIO(JOURNAL * 1)
    frames = read_frames(file, "journal")
    for number, _ in enumerate(frames, start=1):
        assert file.tell() == sum(map(len, ENCODED[:number]))


def test_a_tail_torn_at_any_byte_is_dropped() -> None:
    for end in range(LAST_START, len(JOURNAL)):
        assert frames_in(JOURNAL[:end]) == [BASE, *BATCHES[:-1]]


@pytest.mark.parametrize("kind", ["zeros", "garbage", "blocks of an older journal"])
def test_a_torn_tail_that_a_filesystem_filled_up_is_dropped(kind: str) -> None:
    older = encode_frame(Frame(1, [b"two"], "note 2\n")) * 20
    fill = {"zeros": bytes(2_000), "garbage": random.Random(5).randbytes(2_000)}.get(kind, older)
    for end in range(LAST_START, len(JOURNAL)):
        for length in (len(JOURNAL) - end, 2_000):
            assert frames_in(JOURNAL[:end] + fill[:length]) == [BASE, *BATCHES[:-1]]


def test_a_torn_tail_whose_first_bytes_alone_are_missing_is_dropped() -> None:
    for lost in range(1, len(ENCODED[-1])):
        tail = bytes(lost) + ENCODED[-1][lost:]
        assert frames_in(JOURNAL[:LAST_START] + tail) == [BASE, *BATCHES[:-1]]


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
    machine = Machine()
    journal = Journal(tmp_path / "journal", BASE, machine)
    assert machine.steps == ["create", "sync", "rename", "sync"]
    for frame in BATCHES:
        journal.append(frame)
    assert (tmp_path / "journal").read_bytes() == JOURNAL
    assert journal.size == len(JOURNAL)
    assert machine.steps[4:] == ["append", "sync"] * 3
    journal.close()


@pytest.mark.parametrize("step", [5, 6], ids=["append", "sync"])
def test_after_a_storage_error_nothing_is_tried_again(tmp_path: Path, step: int) -> None:
    machine = Machine(step, "EIO")
    journal = Journal(tmp_path / "journal", BASE, machine)
    with pytest.raises(Fatal, match="the storage refused"):
        journal.append(BATCHES[0])
    with pytest.raises(Fatal, match="closed"):
        journal.append(BATCHES[0])
    with pytest.raises(Fatal, match="closed"):
        journal.start_over(BASE)
    assert len(machine.steps) == step


def test_a_storage_error_before_it_starts_over_leaves_the_old_journal_and_closes_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", BASE, Machine(8, "EIO"))
    journal.append(BATCHES[0])
    with pytest.raises(OSError, match="Input/output"):
        journal.start_over(Frame(2, [], "note 2\n"))
    assert frames_in((tmp_path / "journal").read_bytes()) == [BASE, BATCHES[0]]
    with pytest.raises(Fatal, match="closed"):
        journal.append(BATCHES[1])


def test_a_write_that_was_taken_in_part_is_finished_or_says_why_not(tmp_path: Path) -> None:
    """A limit on the file's size stands for a disk that fills up: the first call writes what fits."""
    path = tmp_path / "file"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("ab") as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        try:
            Disk().append(file.fileno(), b"whole")
            with pytest.raises(OSError, match="File too large"):
                Disk().append(file.fileno(), b"too much")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"wholetoo m"


def test_it_starts_over_from_the_new_base(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, BASE, Disk())
    for frame in BATCHES:
        journal.append(frame)
    base = Frame(4, [], "note 4\n")
    journal.start_over(base)
    assert frames_in(path.read_bytes()) == [base]
    journal.append(Frame(4, [b"five"], "note 5\n"))
    assert frames_in(path.read_bytes()) == [base, Frame(4, [b"five"], "note 5\n")]
    assert journal.size == path.stat().st_size
    journal.close()


@pytest.mark.parametrize("call", ["append", "start over"])
@pytest.mark.parametrize("change", ["append", "replace", "remove"])
def test_a_journal_that_someone_else_changed_is_not_written_to(
    tmp_path: Path, change: str, call: str
) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, BASE, Disk())
    if change == "append":
        path.write_bytes(path.read_bytes() + ENCODED[1])
    else:
        path.unlink()
        if change == "replace":
            path.write_bytes(ENCODED[0])
    left = path.read_bytes() if path.exists() else None
    with pytest.raises(IntegrityError, match="another process"):
        journal.append(BATCHES[0]) if call == "append" else journal.start_over(BASE)
    with pytest.raises(Fatal, match="closed"):
        journal.append(BATCHES[0])
    assert (path.read_bytes() if path.exists() else None) == left


def test_a_second_writer_at_the_same_moment_is_noticed_by_one_of_the_two(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    class Raced(Disk):
        def append(self, fd: int, data: bytes) -> None:
            with path.open("ab") as other:
                other.write(ENCODED[1])
            super().append(fd, data)

    journal = Journal(path, BASE, Raced())
    with pytest.raises(IntegrityError, match="another process"):
        journal.append(BATCHES[0])
    assert path.read_bytes() == ENCODED[0] + ENCODED[1] * 2, "neither has written over the other"
