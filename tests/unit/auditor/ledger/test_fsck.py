"""The full check: it proves an honest ledger and names every difference in a changed one."""

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.fsck import Report, verify
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.ledger.tiles import TileStore
from glomar_schemas.errors import IntegrityError, Misconfigured
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog.layout import CHECKPOINT, COSIGNED, encode_bundle
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.note import Checkpoint, format_vkey, parse_vkey, sign
from glomar_schemas.tlog.tree import Tree

from tests.unit.schemas.tlog.test_merkle import naive_root

ORIGIN = "audit.example/agreement-1/1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = parse_vkey(format_vkey(ORIGIN, SIGNER.public_key()))
LOG = [Leaf(i + 1, i, f"glomar.a.request.r.{i}", i.to_bytes(32, "big")) for i in range(600)]
ENTRIES = [leaves.encode(leaf) for leaf in LOG]


def write_ledger(directory: Path, *sizes: int) -> Path:
    ledger = Ledger.open(directory, SIGNER, ORIGIN)
    for size in sizes:
        ledger.append(LOG[ledger.size : size])
    ledger.close()
    return directory


def published_files(directory: Path) -> list[Path]:
    return [
        path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in ("journal", "lock")
    ]


def forge_ledger(directory: Path, entries: list[bytes]) -> Path:
    """A log that holds together and is rightly signed, over any entries (fewer than 256) at all."""
    store = TileStore(directory, Disk())
    for tile in Tree(store.read_tile).append(map(leaf_hash, entries)):
        store.write_tile(tile.level, tile.index, tile.hashes)
    store.write_bundle(0, entries)
    store.flush()
    root = naive_root([leaf_hash(entry) for entry in entries])
    (directory / "checkpoint").write_bytes(sign(Checkpoint(ORIGIN, len(entries), root), SIGNER).encode())
    return directory


@pytest.mark.parametrize("sizes", [(), (1,), (255,), (256,), (257,), (2, 300, 512), (5, 600)])
def test_an_honest_ledger_is_proved(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    size = sizes[-1] if sizes else 0
    report = verify(write_ledger(tmp_path, *sizes), KEY)
    full, rest = divmod(size, 256)
    root = naive_root([leaf_hash(entry) for entry in ENTRIES[:size]])
    assert report == Report(ORIGIN, size, root, full + (rest > 0) + (full > 0))


def test_gaps_are_counted_and_are_entries_like_others(tmp_path: Path) -> None:
    entries = [*ENTRIES[:2], leaves.encode(leaves.Gap(3)), leaves.encode(leaves.Gap(4)), ENTRIES[4]]
    forge_ledger(tmp_path, entries)
    assert (verify(tmp_path, KEY).size, verify(tmp_path, KEY).gaps) == (5, 2)
    forge_ledger(tmp_path / "moved", [*ENTRIES[:2], leaves.encode(leaves.Gap(4))])
    with pytest.raises(IntegrityError, match="leaf 2: the entry has sequence 4"):
        verify(tmp_path / "moved", KEY)


def test_progress_counts_up_to_the_size(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    verify(write_ledger(tmp_path, 600), KEY, lambda done, size: seen.append((done, size)))
    assert seen == [(256, 600), (512, 600), (600, 600)]


def test_a_copy_of_the_published_files_is_enough(tmp_path: Path) -> None:
    original = write_ledger(tmp_path / "original", 300)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(original / "tile", copy / "tile")
    shutil.copy(original / "checkpoint", copy / "checkpoint")
    assert verify(copy, KEY).size == 300


def test_every_changed_byte_is_detected(tmp_path: Path) -> None:
    write_ledger(tmp_path, 2, 3)
    for path in published_files(tmp_path):
        content = path.read_bytes()
        for place in range(len(content)):
            for mask in (0x01, 0x07, 0x20) if path.name == "checkpoint" else (0x07,):
                path.write_bytes(content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :])
                with pytest.raises(IntegrityError):
                    verify(tmp_path, KEY)
        path.write_bytes(content)
    assert verify(tmp_path, KEY).size == 3


def test_a_changed_byte_anywhere_in_a_larger_ledger_is_named(tmp_path: Path) -> None:
    write_ledger(tmp_path, 2, 300, 599)
    for path in published_files(tmp_path):
        content = path.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(IntegrityError) as caught:
                verify(tmp_path, KEY)
            named = re.sub(r"\.p/.*", "", str(path.relative_to(tmp_path)))
            assert caught.value.where.startswith((named, named.replace("entries", "0")))
        path.write_bytes(content)


def test_the_index_of_a_changed_hash_and_of_a_changed_entry_is_named(tmp_path: Path) -> None:
    write_ledger(tmp_path, 600)
    tile, bundle = tmp_path / "tile/0/001", tmp_path / "tile/entries/001"
    content = tile.read_bytes()
    tile.write_bytes(content[:320] + bytes(32) + content[352:])
    with pytest.raises(IntegrityError, match=r"tile/0/001: leaf 266: the hash tile differs"):
        verify(tmp_path, KEY)
    tile.write_bytes(content)
    bundle.write_bytes(bundle.read_bytes().replace(b'"seq":300', b'"seq":301'))
    with pytest.raises(IntegrityError, match=r"tile/entries/001: leaf 299: the entry has sequence 301"):
        verify(tmp_path, KEY)


def test_entries_and_tiles_changed_together_are_caught_by_the_signed_root(tmp_path: Path) -> None:
    write_ledger(tmp_path / "honest", 5)
    forge_ledger(tmp_path / "forged", [*ENTRIES[:4], leaves.encode(Leaf(5, 0, "glomar.other", bytes(32)))])
    shutil.copy(tmp_path / "honest/checkpoint", tmp_path / "forged/checkpoint")
    with pytest.raises(IntegrityError, match="do not hash to the signed root"):
        verify(tmp_path / "forged", KEY)


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([*ENTRIES[:2], ENTRIES[3]], "leaf 2: the entry has sequence 4"),
        ([ENTRIES[0], ENTRIES[0]], "leaf 1: the entry has sequence 1"),
        ([ENTRIES[0], ENTRIES[1].replace(b":2", b": 2")], "leaf 1: the entry is not a canonical leaf"),
        ([b""], "leaf 0: the entry is not a canonical leaf"),
    ],
)
def test_what_the_log_should_never_have_signed_is_named(
    tmp_path: Path, entries: list[bytes], fault: str
) -> None:
    with pytest.raises(IntegrityError, match=fault):
        verify(forge_ledger(tmp_path, entries), KEY)


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/001", "tile/1/000.p/2", "tile/entries/002.p/88"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_ledger(tmp_path, 600)
    (tmp_path / name).unlink()
    with pytest.raises(IntegrityError, match=re.escape(name.partition(".p")[0])):
        verify(tmp_path, KEY)


@pytest.mark.parametrize(
    "change", [lambda data: data + b"\x00", lambda data: data[:-1], lambda data: data[32:], lambda data: b""]
)
def test_a_file_of_another_length_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    write_ledger(tmp_path, 2, 300)
    for path in published_files(tmp_path):
        content = path.read_bytes()
        path.write_bytes(change(content))
        with pytest.raises(IntegrityError):
            verify(tmp_path, KEY)
        path.write_bytes(content)


def test_another_key_is_refused(tmp_path: Path) -> None:
    write_ledger(tmp_path, 3)
    other = parse_vkey(format_vkey(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()))
    with pytest.raises(IntegrityError, match=r"log\.vkey"):
        verify(tmp_path, other)
    (tmp_path / "log.vkey").unlink()
    with pytest.raises(IntegrityError, match="no valid checkpoint"):
        verify(tmp_path, other)


def test_an_older_checkpoint_is_still_proved_while_the_ledger_goes_on(tmp_path: Path) -> None:
    write_ledger(tmp_path, 300)
    older = (tmp_path / "checkpoint").read_bytes()
    write_ledger(tmp_path, 310, 600)
    (tmp_path / "checkpoint").write_bytes(older)
    assert verify(tmp_path, KEY).size == 300


@pytest.mark.parametrize("size", [1, 255, 256, 300])
def test_what_witnesses_were_given_is_of_the_same_history(tmp_path: Path, size: int) -> None:
    write_ledger(tmp_path, size)
    given = (tmp_path / CHECKPOINT).read_bytes()
    write_ledger(tmp_path, 600)
    (tmp_path / COSIGNED).write_bytes(given)
    assert verify(tmp_path, KEY).cosigned == size
    for other in (given[:-9], sign(Checkpoint(ORIGIN, size, bytes(32)), SIGNER).encode()):
        (tmp_path / COSIGNED).write_bytes(other)
        with pytest.raises(IntegrityError, match=r"checkpoint\.cosigned"):
            verify(tmp_path, KEY)


def test_a_ledger_that_ends_before_what_witnesses_have_was_put_back(tmp_path: Path) -> None:
    write_ledger(tmp_path / "one", 300)
    write_ledger(tmp_path / "other", 310)
    (tmp_path / "one" / COSIGNED).write_bytes((tmp_path / "other" / CHECKPOINT).read_bytes())
    with pytest.raises(IntegrityError, match="the ledger ends before"):
        verify(tmp_path / "one", KEY)


def test_a_bundle_with_an_entry_too_many_is_refused(tmp_path: Path) -> None:
    write_ledger(tmp_path, 3)
    (tmp_path / "tile/entries/000.p/3").write_bytes(encode_bundle(ENTRIES[:4]))
    with pytest.raises(IntegrityError, match="4 entries, not 3"):
        verify(tmp_path, KEY)


def test_a_file_that_may_not_be_read_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, who may run the tests, everything may be read."""
    write_ledger(tmp_path, 3)

    def read_bytes(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(Misconfigured, match="may not be read"):
        verify(tmp_path, KEY)
