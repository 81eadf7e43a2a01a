"""Tile paths, bundles and the files of a ledger."""

import os
from pathlib import Path

import pytest
from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.tiles import MAX_UNSYNCED, TileStore
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.layout import bundle_path, decode_bundle, encode_bundle, tile_path
from hypothesis import given
from hypothesis import strategies as st


class SyncRecorder(Disk):
    """Remembers which paths were synced."""

    def __init__(self) -> None:
        self.synced: list[Path] = []

    def sync(self, path: Path) -> None:
        self.synced.append(path)
        super().sync(path)


def entries(count: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(count)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (tile_path(0, 0), "tile/0/000"),
        (tile_path(0, 67), "tile/0/067"),
        (tile_path(1, 1234067), "tile/1/x001/x234/067"),
        (tile_path(63, 999, 1), "tile/63/999.p/1"),
        (tile_path(0, 273, 112), "tile/0/273.p/112"),
        (bundle_path(1000), "tile/entries/x001/000"),
        (bundle_path(1234067, 255), "tile/entries/x001/x234/067.p/255"),
        (bundle_path(10**9), "tile/entries/x001/x000/x000/000"),
    ],
)
def test_a_path_groups_the_index_in_threes(path: Path, expected: str) -> None:
    assert str(path) == expected


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_is_read_back(content: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(content)) == content


def test_a_bundle_has_the_published_form() -> None:
    assert encode_bundle([b"ab", b"", b"c" * 256]) == b"\x00\x02ab\x00\x00\x01\x00" + b"c" * 256


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_bundle_that_was_cut_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match="cut off"):
        decode_bundle(encode_bundle([b"ab"])[:cut])


def test_an_entry_that_no_bundle_can_hold_is_refused() -> None:
    with pytest.raises(OverflowError):
        encode_bundle([b"x" * 65_536])


def test_a_full_tile_replaces_its_partial_ones(tmp_path: Path) -> None:
    store = TileStore(tmp_path, Disk(), durable_size=256 * 8)
    for width in (1, 200):
        store.write_tile(0, 7, bytes(32 * width))
        store.write_bundle(7, entries(width))
    store.flush()
    assert (tmp_path / "tile/0/007.p/200").exists() and (tmp_path / "tile/entries/007.p/1").exists()
    store.write_tile(0, 7, bytes(32 * 256))
    store.write_bundle(7, entries(256))
    assert not (tmp_path / "tile/0/007.p").exists() and not (tmp_path / "tile/entries/007.p").exists()
    store.sync(256 * 8)
    assert store.read_tile(0, 7) == bytes(32 * 256)


def test_only_what_stays_unfinished_gets_a_file_for_each_size(tmp_path: Path) -> None:
    store = TileStore(tmp_path, Disk())
    whole = os.urandom(32 * 256)
    for width in range(1, 257):
        store.write_tile(0, 0, whole[: 32 * width])
        store.write_bundle(0, entries(width))
    for width in (2, 40):
        store.write_tile(0, 1, whole[: 32 * width])
        store.write_bundle(1, entries(width))
    assert stored(tmp_path) == {"0/000", "entries/000"}
    store.flush()
    for width in (2, 40):
        assert store.read_tile(0, 1, width) == whole[: 32 * width]
        assert store.read_bundle(1, width) == entries(width)
    both = {f"{tile}/001.p/{width}" for tile in (0, "entries") for width in (2, 40)}
    assert stored(tmp_path) == {"0/000", "entries/000"} | both


def stored(directory: Path) -> set[str]:
    tiles = directory / "tile"
    return {str(path.relative_to(tiles)) for path in tiles.rglob("*") if path.is_file()}


def test_the_full_tile_replaces_a_missing_partial_one(tmp_path: Path) -> None:
    store = TileStore(tmp_path, Disk())
    hashes = os.urandom(32 * 256)
    store.write_tile(0, 0, hashes)
    store.write_bundle(0, entries(256))
    assert store.read_tile(0, 0, 44) == hashes[: 32 * 44]
    assert store.read_bundle(0, 44) == entries(44)


def test_the_partials_that_recovery_starts_from_stay_until_the_full_tile_is_synced(tmp_path: Path) -> None:
    store = TileStore(tmp_path, Disk())
    store.write_bundle(7, entries(44))
    store.flush()
    store.sync(7 * 256 + 44)
    store.write_bundle(7, entries(256))
    assert (tmp_path / "tile/entries/007.p/44").exists()
    store.sync(8 * 256)
    assert not (tmp_path / "tile/entries/007.p").exists()


def test_sync_covers_every_new_file_and_every_directory_up_to_the_ledgers_own(tmp_path: Path) -> None:
    disk = SyncRecorder()
    store = TileStore(tmp_path, disk)
    store.write_tile(0, 1234067, bytes(32))
    store.flush()
    store.sync(1)
    directories = ["tile/0/x001/x234/067.p", "tile/0/x001/x234", "tile/0/x001", "tile/0", "tile", "."]
    assert disk.synced[0] == tmp_path / "tile/0/x001/x234/067.p/1"
    assert set(disk.synced[1:]) == {tmp_path / name for name in directories}
    disk.synced.clear()
    store.sync(1)
    assert disk.synced == []


def test_no_draft_is_left_beside_a_written_file(tmp_path: Path) -> None:
    store = TileStore(tmp_path, Disk())
    store.write_tile(0, 0, bytes(32))
    store.flush()
    assert [path.name for path in (tmp_path / "tile/0/000.p").iterdir()] == ["1"]


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33), bytes(64)])
def test_a_tile_of_the_wrong_length_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    store = TileStore(tmp_path, Disk())
    store.write_tile(0, 0, bytes(32))
    store.flush()
    (tmp_path / "tile/0/000.p/1").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"tile/0/000\.p/1"):
        store.read_tile(0, 0, 1)


@pytest.mark.parametrize(
    "content", [b"", b"\x00", encode_bundle([b"a", b"b"]), encode_bundle([b"a"]) + b"\x00"]
)
def test_a_bundle_of_the_wrong_count_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    store = TileStore(tmp_path, Disk())
    store.write_bundle(0, [b"a"])
    store.flush()
    (tmp_path / "tile/entries/000.p/1").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"tile/entries/000\.p/1"):
        store.read_bundle(0, 1)


def test_a_missing_tile_is_refused(tmp_path: Path) -> None:
    store = TileStore(tmp_path, Disk())
    with pytest.raises(IntegrityError, match="missing"):
        store.read_tile(0, 0)
    with pytest.raises(IntegrityError, match="missing"):
        store.read_bundle(0, 3)


def test_full_files_are_synced_one_by_one_as_it_goes_on(tmp_path: Path) -> None:
    disk = SyncRecorder()
    store = TileStore(tmp_path, disk)
    for index in range(40):
        store.write_bundle(index, entries(256))
        store.flush()
    assert disk.synced == [tmp_path / f"tile/entries/{index:03d}" for index in range(40 - MAX_UNSYNCED)]
    store.sync(40 * 256)
    left = [tmp_path / f"tile/entries/{index:03d}" for index in range(40 - MAX_UNSYNCED, 40)]
    assert disk.synced[40 - MAX_UNSYNCED :][:MAX_UNSYNCED] == left
    assert disk.synced[40:] == [tmp_path / name for name in (".", "tile", "tile/entries")]
