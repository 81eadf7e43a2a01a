"""The tree against a naive recursive implementation, at every size around the tile borders."""

from itertools import pairwise

import pytest
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from glomar_schemas.tlog.tree import MAX_CACHED_TILES, Tile, Tree
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.schemas.tlog.test_merkle import (
    STANDARD_LEAVES,
    STANDARD_ROOTS,
    naive_consistency,
    naive_path,
    naive_root,
    numbered_hashes,
)

HASHES = numbered_hashes(1100)
BORDERS = (1, 2, 3, 255, 256, 257, 511, 512, 513, 768, 1000, 1024, 1100)


class TileShelf:
    """Stored tiles in memory, and how often a full one was read back."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.reads = 0

    def put(self, tiles: list[Tile]) -> None:
        for tile in tiles:
            self.tiles[tile.level, tile.index] = tile.hashes

    def read(self, level: int, index: int, width: int) -> bytes:
        self.reads += 1
        return self.tiles[level, index][: width * 32]


def grown(size: int, shelf: TileShelf, step: int = 100) -> Tree:
    tree = Tree(shelf.read)
    for start in range(0, size, step):
        shelf.put(tree.append(HASHES[start : min(start + step, size)]))
    return tree


def test_standard_leaves_hash_to_the_published_roots() -> None:
    tree = Tree(TileShelf().read)
    assert tree.root() == EMPTY_ROOT
    for entry, expected in zip(STANDARD_LEAVES, STANDARD_ROOTS, strict=True):
        tree.append([leaf_hash(entry)])
        assert tree.root().hex() == expected


@given(st.lists(st.integers(0, 300), max_size=5))
def test_root_and_proofs_do_not_depend_on_how_leaves_were_batched(batches: list[int]) -> None:
    shelf = TileShelf()
    tree, size = Tree(shelf.read), 0
    for batch in batches:
        shelf.put(tree.append(HASHES[size : size + batch]))
        size = min(size + batch, len(HASHES))
        assert tree.size == size
        assert tree.root() == naive_root(HASHES[:size])


@pytest.mark.parametrize("size", BORDERS)
def test_every_inclusion_proof_equals_the_naive_one_and_verifies(size: int) -> None:
    tree = grown(size, TileShelf())
    root = naive_root(HASHES[:size])
    for index in range(0, size, max(1, size // 40)):
        proof = tree.inclusion_proof(index)
        assert list(proof) == naive_path(index, HASHES[:size])
        assert tree.leaf_hash(index) == HASHES[index]
        verify_inclusion(HASHES[index], index, size, proof, root)


@pytest.mark.parametrize("size", BORDERS)
def test_every_consistency_proof_equals_the_naive_one_and_verifies(size: int) -> None:
    tree = grown(size, TileShelf())
    for old in {*BORDERS, *range(1, size, max(1, size // 40))}:
        if old <= size:
            proof = tree.consistency_proof(old)
            assert list(proof) == naive_consistency(old, HASHES[:size])
            verify_consistency(old, naive_root(HASHES[:old]), size, tree.root(), proof)
    assert tree.consistency_proof(0) == ()


@pytest.mark.parametrize("size", (0, *BORDERS))
def test_a_tree_resumed_from_its_tiles_goes_on_as_if_it_had_never_stopped(size: int) -> None:
    shelf = TileShelf()
    grown(size, shelf)
    resumed = Tree(shelf.read, size)
    assert resumed.root() == naive_root(HASHES[:size])
    shelf.put(resumed.append(HASHES[size:]))
    assert resumed.root() == naive_root(HASHES)
    assert list(resumed.inclusion_proof(0)) == naive_path(0, HASHES)


def test_an_append_returns_full_tiles_once_and_each_edge_that_grew() -> None:
    tree = Tree(TileShelf().read)
    widths = [
        [(tile.level, tile.index, len(tile.hashes) // 32) for tile in tree.append(HASHES[low:high])]
        for low, high in pairwise((0, 1, 256, 300, 1024))
    ]
    assert widths == [
        [(0, 0, 1)],
        [(0, 0, 256), (1, 0, 1)],
        [(0, 1, 44)],
        [(0, 1, 256), (0, 2, 256), (0, 3, 256), (1, 0, 4)],
    ]
    assert tree.append([]) == []


def test_a_tile_holds_the_hashes_that_the_specification_names() -> None:
    shelf = TileShelf()
    grown(1100, shelf)
    assert shelf.tiles[0, 2] == b"".join(HASHES[512:768])
    assert shelf.tiles[1, 0] == b"".join(naive_root(HASHES[i : i + 256]) for i in range(0, 1024, 256))


def test_a_second_level_tile_completes_at_65536_leaves() -> None:
    shelf, hashes = TileShelf(), numbered_hashes(65_537)
    tree = Tree(shelf.read)
    shelf.put(tree.append(hashes))
    assert len(shelf.tiles[1, 0]) == 8192 and shelf.tiles[2, 0] == naive_root(hashes[:65_536])
    resumed = Tree(shelf.read, 65_537)
    assert resumed.root() == tree.root() == naive_root(hashes)
    verify_inclusion(hashes[777], 777, 65_537, resumed.inclusion_proof(777), tree.root())
    verify_consistency(
        65_536, naive_root(hashes[:65_536]), 65_537, tree.root(), tree.consistency_proof(65_536)
    )


def test_a_stored_tile_that_was_changed_yields_no_proof() -> None:
    shelf = TileShelf()
    grown(1100, shelf)
    shelf.tiles[0, 1] = bytes(32) + shelf.tiles[0, 1][32:]
    resumed = Tree(shelf.read, 1100)
    assert resumed.root() == naive_root(HASHES)
    with pytest.raises(IntegrityError, match="level 0 index 1"):
        resumed.inclusion_proof(300)


def test_a_full_tile_is_read_back_once_and_the_cache_is_bounded() -> None:
    shelf = TileShelf()
    grown(1100, shelf)
    resumed = Tree(shelf.read, 1100)
    before = shelf.reads
    for index in range(256):
        resumed.inclusion_proof(index)
    assert shelf.reads == before + 1
    big = Tree(shelf.read)
    big.append(HASHES[i % 1100] for i in range((MAX_CACHED_TILES + 2) * 256))
    assert len(big._cache) <= MAX_CACHED_TILES


@pytest.mark.parametrize("index", [-1, 5, 6])
def test_what_is_outside_the_tree_has_no_proof(index: int) -> None:
    tree = grown(5, TileShelf())
    with pytest.raises(IndexError):
        tree.inclusion_proof(index)
    with pytest.raises(IndexError):
        tree.leaf_hash(index)
    with pytest.raises(IndexError):
        tree.consistency_proof(index + 1 if index > 0 else index)
