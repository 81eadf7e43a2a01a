"""The ledger: order, receipts, and a crash or power cut before and after every durable step."""

import gc
import io
import random
import shutil
import sys
from contextlib import closing
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.journal import Frame, encode_frame, read_frames
from glomar_auditor.ledger.ledger import Ledger
from glomar_schemas.errors import Fatal, IntegrityError, Malformed, Misconfigured
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import tree
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.note import Checkpoint, format_vkey, open_checkpoint, parse_vkey, sign
from glomar_schemas.tlog.receipt import check

from tests.unit.auditor.machine import Machine
from tests.unit.schemas.tlog.test_merkle import naive_root

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


def open_ledger(directory: Path, disk: Disk | None = None, max_journal_bytes: int = COMPACTING) -> Ledger:
    return Ledger.open(directory, SIGNER, ORIGIN, disk=disk, max_journal_bytes=max_journal_bytes)


def written(directory: Path, sizes: tuple[int, ...] = BATCHES, max_journal_bytes: int = COMPACTING) -> Path:
    ledger = open_ledger(directory, max_journal_bytes=max_journal_bytes)
    for count in sizes:
        ledger.append(LOG[ledger.size : ledger.size + count])
    ledger.close()
    return directory


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


@pytest.mark.parametrize("fill", ["nothing", "zeros", "garbage"])
def test_a_frame_torn_at_any_byte_is_dropped_and_sealed_again(tmp_path: Path, fill: str) -> None:
    written(tmp_path / "short", (2,))
    receipts = receipts_of(tmp_path / "short")
    shutil.copytree(tmp_path / "short", tmp_path / "whole")
    start = len((tmp_path / "short" / "journal").read_bytes())
    ledger = open_ledger(tmp_path / "whole")
    ledger.append(LOG[2:3])
    ledger.close()
    whole = (tmp_path / "whole" / "journal").read_bytes()
    garbage = {"nothing": b"", "zeros": bytes(len(whole)), "garbage": random.Random(1).randbytes(len(whole))}
    torn = tmp_path / "short"
    for end in range(start, len(whole)):
        (torn / "journal").write_bytes(whole[:end] + garbage[fill][end:])
        ledger = open_ledger(torn, Machine())
        assert ledger.size == 2
        assert [ledger.receipt(index) for index in range(2)] == receipts
        ledger.close()
    ledger = open_ledger(torn)
    assert ledger.append(LOG[2:4]) == Checkpoint(ORIGIN, 4, naive_root(HASHES[:4]))
    ledger.close()


def receipts_of(directory: Path) -> list[str]:
    ledger = open_ledger(directory)
    found = [ledger.receipt(index) for index in range(ledger.size)]
    ledger.close()
    return found


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


@pytest.mark.parametrize(
    "change", ["another entry", "another start", "a frame left out", "another signer", "another base"]
)
def test_a_frame_that_is_whole_but_was_not_signed_like_this_stops_it(tmp_path: Path, change: str) -> None:
    written(tmp_path, (2, 1))
    journal = tmp_path / "journal"
    base, first, second = read_frames(io.BytesIO(journal.read_bytes()), "journal")
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    frames = {
        "another entry": [base, first._replace(entries=[first.entries[0], b"forged"]), second],
        "another start": [base, first, second._replace(start=258)],
        "a frame left out": [base, second],
        "another signer": [base, first, signed_by(other, second)],
        "another base": [signed_by(other, base), first, second],
    }[change]
    journal.write_bytes(b"".join(map(encode_frame, frames)))
    with pytest.raises(IntegrityError):
        open_ledger(tmp_path)


def signed_by(signer: Ed25519PrivateKey, frame: Frame) -> Frame:
    return frame._replace(checkpoint=sign(open_checkpoint(frame.checkpoint, KEY), signer))


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
    content = files_of(tmp_path)
    shutil.rmtree(tmp_path / "tile")
    (tmp_path / "checkpoint").unlink()
    open_ledger(tmp_path).close()
    assert files_of(tmp_path) == content


def files_of(directory: Path) -> dict[Path, bytes]:
    """All but the journal, which starts over whenever it was read."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != "journal")
    return {path: path.read_bytes() for path in files}


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
    with pytest.raises(Fatal, match="the storage refused"):
        ledger.append(LOG[:4])
    with pytest.raises(Fatal, match="closed"):
        ledger.receipt(0)
    recovered = open_ledger(tmp_path)
    assert recovered.size == 4
    recovered.close()


def test_a_foreign_directory_is_not_made_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Misconfigured, match="no ledger, and not empty"):
        open_ledger(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_ledger_without_its_vkey_is_not_taken_over_by_another_key(tmp_path: Path) -> None:
    written(tmp_path, (2,))
    (tmp_path / "log.vkey").unlink()
    before = files_of(tmp_path)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(IntegrityError, match="this log did not sign"):
        Ledger.open(tmp_path, other, ORIGIN)
    assert files_of(tmp_path) == before
    open_ledger(tmp_path).close()
    assert (tmp_path / "log.vkey").read_text() == f"{format_vkey(ORIGIN, SIGNER.public_key())}\n"


def test_a_second_writer_is_refused_even_if_files_were_removed(tmp_path: Path) -> None:
    """No file in it makes a ledger ours: the directory itself is locked."""
    first = open_ledger(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(Misconfigured, match="another process"):
        open_ledger(tmp_path)
    with pytest.raises(IntegrityError, match="another process"):
        first.append(LOG[:1])


def test_what_is_held_in_memory_does_not_grow_with_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MAX_CACHED_TILES", 4)
    ledger = open_ledger(tmp_path, max_journal_bytes=100_000)
    held = []
    for size in (8 * 256, 40 * 256):
        while ledger.size < size:
            following = range(ledger.size, ledger.size + 256)
            ledger.append([Leaf(i + 1, 0, "glomar.a.request.r.0", bytes(32)) for i in following])
        ledger.compact()
        held.append(held_bytes(ledger))
    assert held[1] - held[0] < 10_000, "of 8,192 leaves, more than a hash for each 256"
    ledger.close()


def held_bytes(ledger: Ledger) -> int:
    """Of every object that can be reached from it, but for code and modules."""
    found: dict[int, object] = {}
    to_visit: list[object] = [vars(ledger)]
    while to_visit:
        each = to_visit.pop()
        if id(each) not in found and not isinstance(each, type | ModuleType | FunctionType):
            found[id(each)] = each
            to_visit += gc.get_referents(each)
    return sum(sys.getsizeof(each) for each in found.values())


def test_a_gap_is_a_leaf_that_is_found_again_after_a_start(tmp_path: Path) -> None:
    batch: list[leaves.Entry] = [*LOG[:2], leaves.Gap(3), LOG[3]]
    with closing(Ledger.open(tmp_path, SIGNER, ORIGIN)) as ledger:
        ledger.append(batch)
        assert [ledger.leaf(index) for index in range(4)] == batch
    with closing(Ledger.open(tmp_path, SIGNER, ORIGIN)) as ledger:
        assert ledger.leaf(2) == leaves.Gap(3)
        with pytest.raises(IntegrityError):
            ledger.append([leaves.Gap(6)])
