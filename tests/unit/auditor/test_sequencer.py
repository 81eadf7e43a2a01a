"""The ledger: order, receipts, and a crash or power cut before and after every durable step."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.fsck import verify
from glomar_auditor.journal import encode_frame, read_frames
from glomar_auditor.sequencer import Ledger
from glomar_auditor.tiles import Disk
from glomar_schemas import leaf as leaves
from glomar_schemas.errors import Fatal, IntegrityError, Malformed, Misconfigured
from glomar_schemas.leaf import Leaf
from glomar_schemas.merkle import leaf_hash
from glomar_schemas.note import Checkpoint, format_vkey, open_checkpoint, parse_vkey, sign
from glomar_schemas.receipt import check

from tests.unit.schemas.test_merkle import naive_root

ORIGIN = "audit.example/agreement-1/1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = parse_vkey(format_vkey(ORIGIN, SIGNER.public_key()))
LOG = [
    Leaf(i + 1, 1_744_000_000 * 10**9 + i, f"glomar.a.request.r.{i}", i.to_bytes(32, "big"))
    for i in range(300)
]
HASHES = [leaf_hash(leaves.encode(leaf)) for leaf in LOG]
BATCHES = (3, 240, 20, 37)
COMPACTING = 8_000  # bytes of journal: compacts at 243 and 300 leaves, before and after the first full tile


class Crash(Exception):
    """The process died here."""


class Machine(Disk):
    """A disk that dies at one step, before or after doing it, and knows what a power cut would leave.

    It is as unkind as POSIX allows: a file that was not synced is left empty, a name whose directory was not
    synced is gone, a removal always lasts.
    """

    def __init__(self, dies_at: int = 0, after: bool = False) -> None:
        self.steps = 0
        self._dies_at, self._after = dies_at, after
        self._files: dict[Path, int] = {}
        self._synced_content: dict[int, bytes] = {}
        self._synced_names: dict[Path, dict[str, int]] = {}

    def create(self, path: Path, data: bytes) -> None:
        self._step(lambda: self._create(path, data))

    def append(self, fd: int, data: bytes) -> None:
        self._step(lambda: super(Machine, self).append(fd, data))

    def truncate(self, fd: int, size: int) -> None:
        self._step(lambda: super(Machine, self).truncate(fd, size))

    def sync_data(self, fd: int) -> None:
        self._step(lambda: self._sync(Path(f"/proc/self/fd/{fd}").readlink()))

    def sync(self, path: Path) -> None:
        self._step(lambda: self._sync(path))

    def rename(self, source: Path, target: Path) -> None:
        self._step(lambda: self._rename(source, target))

    def remove_directory(self, path: Path) -> None:
        self._step(lambda: super(Machine, self).remove_directory(path))

    def cut_power(self, directory: Path) -> None:
        """Leave in `directory` what a power cut now would leave."""
        names = self._synced_names.get(directory, {})
        for path in list(directory.iterdir()):
            if path.is_dir() and path.name in names:
                self.cut_power(path)
            elif path.is_dir():
                shutil.rmtree(path)
            elif path.name in names:
                path.write_bytes(self._synced_content.get(names[path.name], b""))
            else:
                path.unlink()

    def _step(self, do: Callable[[], None]) -> None:
        self.steps += 1
        dies = self._dies_at and self.steps >= self._dies_at
        if not dies or (self._after and self.steps == self._dies_at):
            do()
        if dies:
            raise Crash

    def _create(self, path: Path, data: bytes) -> None:
        super().create(path, data)
        self._synced_content.pop(self._files.setdefault(path, self.steps), None)

    def _rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._files[target] = self._files.pop(source)

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            self._synced_names[path] = {entry.name: self._files.get(entry, 0) for entry in path.iterdir()}
        else:
            self._synced_content[self._files.get(path, 0)] = path.read_bytes()


def open_ledger(directory: Path, disk: Disk | None = None, max_journal_bytes: int = COMPACTING) -> Ledger:
    return Ledger.open(directory, SIGNER, ORIGIN, disk=disk, max_journal_bytes=max_journal_bytes)


def append_rest(ledger: Ledger, released: list[Checkpoint]) -> None:
    """Append what is missing of LOG, batch by batch."""
    end = 0
    for count in BATCHES:
        end += count
        if end > ledger.size:
            released.append(ledger.append(LOG[ledger.size : end]))


def written(directory: Path, sizes: tuple[int, ...] = BATCHES, max_journal_bytes: int = COMPACTING) -> Path:
    ledger = open_ledger(directory, max_journal_bytes=max_journal_bytes)
    for count in sizes:
        ledger.append(LOG[ledger.size : ledger.size + count])
    ledger.close()
    return directory


def count_steps(directory: Path) -> int:
    machine = Machine()
    ledger = open_ledger(directory, machine)
    append_rest(ledger, [])
    ledger.close()
    return machine.steps


def test_an_append_returns_the_signed_root_over_all_leaves(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    assert ledger.size == 0
    for count in BATCHES:
        checkpoint = ledger.append(LOG[ledger.size : ledger.size + count])
        assert checkpoint == open_checkpoint(ledger.checkpoint_text, KEY)
        assert (tmp_path / "checkpoint").read_bytes().decode() == ledger.checkpoint_text
        assert checkpoint == Checkpoint(ORIGIN, ledger.size, naive_root(HASHES[: ledger.size]))
    assert ledger.size == 300
    ledger.close()


def test_an_empty_batch_changes_nothing(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    before = ledger.checkpoint_text
    assert ledger.append([]).size == 0
    assert ledger.checkpoint_text == before
    ledger.close()


@pytest.mark.parametrize("sizes", [(1,), (5, 1), (256,), (255, 1), BATCHES])
def test_each_leaf_has_a_receipt_and_is_read_back(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    written(tmp_path, sizes)
    ledger = open_ledger(tmp_path)
    for leaf in LOG[: ledger.size]:
        assert check(ledger.receipt(leaf.sequence - 1), leaf, KEY).size == sum(sizes)
        assert ledger.leaf(leaf.sequence - 1) == leaf
    assert ledger.leaf(ledger.size) is None and ledger.leaf(-1) is None
    with pytest.raises(IndexError):
        ledger.receipt(ledger.size)
    ledger.close()


@pytest.mark.parametrize("first", [1, 3, 5])
def test_a_batch_that_does_not_follow_is_refused_and_nothing_is_written(tmp_path: Path, first: int) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append(LOG[:3])
    journal = (tmp_path / "journal").read_bytes()
    for batch in (LOG[first - 1 : first + 2], [LOG[3], LOG[5]], [LOG[3], LOG[3]]):
        if batch != LOG[3:6]:
            with pytest.raises(IntegrityError, match="must follow"):
                ledger.append(batch)
    assert (tmp_path / "journal").read_bytes() == journal
    assert ledger.append(LOG[3:6]).size == 6
    ledger.close()


def test_a_leaf_that_cannot_be_encoded_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with pytest.raises(Malformed):
        ledger.append([LOG[0], Leaf(2, 0, "a", b"short")])
    assert ledger.append(LOG[:2]).size == 2
    ledger.close()


def test_a_second_writer_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    first = open_ledger(tmp_path)
    with pytest.raises(Misconfigured, match="another process"):
        open_ledger(tmp_path)
    first.append(LOG[:1])
    first.close()
    second = open_ledger(tmp_path)
    assert second.size == 1
    second.close()


def test_a_closed_ledger_answers_nothing(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append(LOG[:1])
    ledger.close()
    ledger.close()
    for call in (
        lambda: ledger.append(LOG[1:2]),
        lambda: ledger.receipt(0),
        lambda: ledger.leaf(0),
        ledger.compact,
    ):
        with pytest.raises(Fatal, match="closed"):
            call()


def test_another_key_or_origin_is_refused(tmp_path: Path) -> None:
    written(tmp_path, (1,))
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(Misconfigured, match="another key"):
        Ledger.open(tmp_path, other, ORIGIN)
    with pytest.raises(Misconfigured, match="another key"):
        Ledger.open(tmp_path, SIGNER, ORIGIN + "2")


@pytest.mark.parametrize("after", [False, True], ids=["not-persisted", "persisted-anyway"])
@pytest.mark.parametrize("power", [True, False], ids=["power-cut", "kill"])
def test_no_released_leaf_is_lost_whichever_durable_step_is_the_last(
    tmp_path: Path, after: bool, power: bool
) -> None:
    steps = count_steps(tmp_path / "whole")
    final_root = naive_root(HASHES)
    for dies_at in range(1, steps + 1):
        directory, machine, released = tmp_path / str(dies_at), Machine(dies_at, after), list[Checkpoint]()
        with pytest.raises(Crash):
            append_rest(open_ledger(directory, machine), released)
        if power:
            machine.cut_power(directory)
        recovered = open_ledger(directory)
        kept = released[-1].size if released else 0
        assert recovered.size in (kept, next_size(kept))
        append_rest(recovered, released)
        recovered.close()
        assert verify(directory, KEY).root == final_root
        assert all(checkpoint.root == naive_root(HASHES[: checkpoint.size]) for checkpoint in released)


def next_size(size: int) -> int:
    ends = [sum(BATCHES[: i + 1]) for i in range(len(BATCHES))]
    return next((end for end in ends if end > size), size)


def test_a_crash_during_recovery_is_recovered_from(tmp_path: Path) -> None:
    original = written(tmp_path / "original", max_journal_bytes=2**20)
    with (original / "journal").open("ab") as journal:
        journal.write(b"torn")
    steps = 0
    while True:
        steps += 1
        directory = shutil.copytree(original, tmp_path / str(steps))
        try:
            open_ledger(directory, Machine(steps)).close()
            break
        except Crash:
            ledger = open_ledger(directory)
            assert ledger.size == 300
            ledger.close()
            assert verify(directory, KEY).size == 300
    assert steps > 20


def test_a_frame_torn_at_any_byte_is_dropped_and_sealed_again(tmp_path: Path) -> None:
    written(tmp_path, (2,))
    shutil.copytree(tmp_path, before := tmp_path.with_name("before"))
    written(tmp_path, (1,))
    whole, short = (tmp_path / "journal").read_bytes(), (before / "journal").read_bytes()
    for end in range(len(short), len(whole)):
        (before / "journal").write_bytes(whole[:end])
        ledger = open_ledger(before)
        assert ledger.size == 2
        assert (before / "journal").read_bytes() == short
        ledger.close()
    written(before, (1,))
    assert (before / "journal").read_bytes() == whole


def test_a_published_checkpoint_ahead_of_the_journal_stops_it_every_time(tmp_path: Path) -> None:
    written(tmp_path, (2,))
    short = (tmp_path / "journal").read_bytes()
    written(tmp_path, (3,))
    (tmp_path / "journal").write_bytes(short)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="a checkpoint over 5 was published"):
            open_ledger(tmp_path)


def test_a_published_checkpoint_with_another_root_stops_it(tmp_path: Path) -> None:
    written(tmp_path / "a", (2,))
    other = open_ledger(tmp_path / "b")
    other.append([LOG[0], Leaf(2, 0, "glomar.other", bytes(32))])
    other.close()
    shutil.copy(tmp_path / "b" / "checkpoint", tmp_path / "a" / "checkpoint")
    with pytest.raises(IntegrityError, match="another root"):
        open_ledger(tmp_path / "a")


@pytest.mark.parametrize("change", ["another entry", "another start", "a frame left out", "another signer"])
def test_a_frame_that_is_whole_but_was_not_signed_like_this_stops_it(tmp_path: Path, change: str) -> None:
    written(tmp_path, (2, 1))
    journal = tmp_path / "journal"
    base, first, second = (frame for _, frame in read_frames(journal.read_bytes(), "journal"))
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    frames = {
        "another entry": [base, first._replace(entries=[first.entries[0], b"forged"]), second],
        "another start": [base, first, second._replace(start=258)],
        "a frame left out": [base, second],
        "another signer": [
            base,
            first._replace(checkpoint=sign(Checkpoint(ORIGIN, 2, bytes(32)), other)),
            second,
        ],
    }[change]
    journal.write_bytes(b"".join(map(encode_frame, frames)))
    with pytest.raises(IntegrityError):
        open_ledger(tmp_path)


def test_every_changed_byte_of_the_journal_stops_it(tmp_path: Path) -> None:
    written(tmp_path, (1, 1))
    journal = (tmp_path / "journal").read_bytes()
    for place in range(len(journal)):
        data = bytearray(journal)
        data[place] ^= 0x04
        (tmp_path / "journal").write_bytes(data)
        with pytest.raises(IntegrityError):
            open_ledger(tmp_path)
    (tmp_path / "journal").write_bytes(journal)
    open_ledger(tmp_path).close()


@pytest.mark.parametrize("sizes", [(5,), BATCHES[:2]])
def test_checkpoint_and_tiles_are_rebuilt_from_the_journal(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    written(tmp_path, sizes, max_journal_bytes=2**20)
    content = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    shutil.rmtree(tmp_path / "tile")
    (tmp_path / "checkpoint").unlink()
    open_ledger(tmp_path).close()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == content


def test_a_missing_journal_is_not_taken_for_a_new_ledger(tmp_path: Path) -> None:
    written(tmp_path, (5,))
    (tmp_path / "journal").unlink()
    with pytest.raises(IntegrityError, match="journal is missing"):
        open_ledger(tmp_path)


@pytest.mark.parametrize("name", ["tile/0/001.p/7", "tile/entries/001.p/7", "tile/1/000.p/1"])
def test_damaged_tiles_under_the_journals_base_stop_it(tmp_path: Path, name: str) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append(LOG[:263])
    ledger.compact()
    ledger.close()
    data = bytearray((tmp_path / name).read_bytes())
    data[20] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(IntegrityError):
        open_ledger(tmp_path)


def test_an_entry_changed_on_disk_is_not_handed_out(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append(LOG[:300])
    bundle = tmp_path / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b"request.r.17", b"request.r.71"))
    assert ledger.leaf(16) == LOG[16]
    with pytest.raises(IntegrityError, match="entry 17"):
        ledger.leaf(17)
    ledger.close()


def test_a_partial_tile_exists_for_every_size_that_was_signed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    for size in (1, 3, 255, 256, 257, 300):
        ledger.append(LOG[ledger.size : size])
    names = {
        str(path.relative_to(tmp_path / "tile")) for path in (tmp_path / "tile").rglob("*") if path.is_file()
    }
    assert {name for name in names if "000.p" not in name or name.startswith("1/")} == {
        "0/000", "0/001.p/1", "0/001.p/44", "1/000.p/1", "entries/000", "entries/001.p/1", "entries/001.p/44",
    }  # fmt: skip
    ledger.close()


def test_a_storage_error_closes_the_ledger_and_releases_nothing(tmp_path: Path) -> None:
    class FullDisk(Disk):
        def create(self, path: Path, data: bytes) -> None:
            if "tile" in path.parts and len(data) > 100:
                raise OSError("no space left")
            super().create(path, data)

    ledger = open_ledger(tmp_path, FullDisk())
    with pytest.raises(Fatal, match="refused a write"):
        ledger.append(LOG[:4])
    with pytest.raises(Fatal, match="closed"):
        ledger.receipt(0)
    recovered = open_ledger(tmp_path)
    assert recovered.size == 4
    recovered.close()


def test_a_gap_is_a_leaf_that_is_found_again_after_a_start(tmp_path: Path) -> None:
    batch: list[leaves.Entry] = [*LOG[:2], leaves.Gap(3), LOG[3]]
    with closing(Ledger.open(tmp_path, SIGNER, ORIGIN)) as ledger:
        ledger.append(batch)
        assert [ledger.leaf(index) for index in range(4)] == batch
    with closing(Ledger.open(tmp_path, SIGNER, ORIGIN)) as ledger:
        assert ledger.leaf(2) == leaves.Gap(3)
        with pytest.raises(IntegrityError):
            ledger.append([leaves.Gap(6)])
