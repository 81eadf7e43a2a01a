"""An append-only RFC 9162 Merkle tree that keeps only its right edge in memory; full tiles are read back.

Called by the sequencer, which signs its root and hands out its proofs, by fsck, which rebuilds one, and by
tlog_client, which reads a published one.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.merkle import EMPTY_ROOT, HASH_BYTES, node_hash

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
MAX_CACHED_TILES: Final = 512
"""16 KiB each, 8 MiB in all: recent leaves' proofs without the disk, however large the tree."""

ReadTile = Callable[[int, int, int], bytes]
"""(level, index, width) -> width * 32 B, the hashes of a stored tile."""


class Tile(msgspec.Struct, frozen=True):
    """A tile that an append changed: c2sp.org/tlog-tiles level and index, and 1 to 256 hashes of 32 B."""

    level: int
    index: int
    hashes: bytes


class Tree:
    """Leaves 0 to size - 1. Memory is flat: an unfinished tile per level and a bounded cache of full ones."""

    def __init__(self, read_tile: ReadTile, size: int = 0) -> None:
        """The first `size` leaves of the tiles behind `read_tile`. Compare root() with what was signed."""
        self._read_tile = read_tile
        self._cache: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._peaks: list[tuple[int, bytes]] | None = None
        self.size = 0
        # _rows[h]: the complete subtrees of 2**h leaves that lie in the unfinished tile of level h // 8.
        self._rows: list[list[bytes]] = []
        self._resume(size)

    def append(self, leaf_hashes: Iterable[bytes]) -> list[Tile]:
        """Add leaves; return each tile that became full, then each that is unfinished and has grown."""
        full: list[Tile] = []
        grown: set[int] = set()
        for leaf in leaf_hashes:
            self.size += 1
            self._push(0, leaf, full, grown)
        self._peaks = None
        edges = [self._edge_tile(level) for level in sorted(grown) if self._rows[level * TILE_HEIGHT]]
        return full + edges

    def root(self) -> bytes:
        """RFC 9162 root over all leaves, 32 B."""
        return self.range_root(0, self.size) if self.size else EMPTY_ROOT

    def range_root(self, low: int, high: int) -> bytes:
        """RFC 9162 root, 32 B, over leaves low to high - 1, where low is a multiple of a power of two that is
        no smaller than their number. Reads no tile below the largest complete subtrees in that range.
        """
        return _fold(self._peak_list() if (low, high) == (0, self.size) else self._cover(low, high))

    def leaf_hash(self, index: int) -> bytes:
        """Hash of leaf `index`, 32 B. Raises IndexError outside the tree."""
        _require(index, self.size)
        return self._node(0, index)

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Siblings of 32 B from leaf `index` up to the root of the current size. RFC 9162 §2.1.3.1.

        Raises IndexError outside the tree, IntegrityError if a stored tile contradicts the tree above it.
        """
        _require(index, self.size)
        peaks, end, position = self._peak_list(), 0, -1
        while end <= index:
            position += 1
            end += 1 << peaks[position][0]
        proof = [self._node(height, index >> height ^ 1) for height in range(peaks[position][0])]
        if position + 1 < len(peaks):
            proof.append(_fold(peaks[position + 1 :]))
        proof += [peak for _, peak in reversed(peaks[:position])]
        return tuple(proof)

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """Proof that the first `old_size` leaves are a prefix of this tree. RFC 9162 §2.1.4.1.

        Empty from 0 and from the current size. Raises IndexError beyond it.
        """
        _require(old_size, self.size + 1)
        if old_size in (0, self.size):
            return ()
        low, high, proof = 0, self.size, list[bytes]()
        while old_size != high:
            middle = low + (1 << (high - low - 1).bit_length() - 1)
            if old_size <= middle:
                proof.append(self.range_root(middle, high))
                high = middle
            else:
                proof.append(self.range_root(low, middle))
                low = middle
        if low:
            proof.append(self.range_root(low, high))
        return tuple(reversed(proof))

    def _resume(self, size: int) -> None:
        level = 0
        while count := size >> (level * TILE_HEIGHT):
            index, width = divmod(count, TILE_WIDTH)
            hashes = self._read_tile(level, index, width) if width else b""
            self._rows += _subtrees(hashes)[:TILE_HEIGHT]
            level += 1
        self.size = size

    def _push(self, height: int, node: bytes, full: list[Tile], grown: set[int]) -> None:
        """Add a complete subtree of 2**height leaves, and every larger one that it completes."""
        rows = self._rows
        while True:
            if height == len(rows):
                rows += [[] for _ in range(TILE_HEIGHT)]
            if height % TILE_HEIGHT == 0:
                if height:
                    full.append(self._finish_tile(height // TILE_HEIGHT - 1))
                grown.add(height // TILE_HEIGHT)
            row = rows[height]
            row.append(node)
            if len(row) & 1:
                return
            node = node_hash(row[-2], node)
            height += 1

    def _finish_tile(self, level: int) -> Tile:
        rows = self._rows[level * TILE_HEIGHT : (level + 1) * TILE_HEIGHT]
        index = (self.size >> (level + 1) * TILE_HEIGHT) - 1
        self._cache_tile(level, index, [b"".join(row) for row in rows])
        tile = Tile(level, index, b"".join(rows[0]))
        for row in rows:
            row.clear()
        return tile

    def _edge_tile(self, level: int) -> Tile:
        return Tile(level, self.size >> (level + 1) * TILE_HEIGHT, b"".join(self._rows[level * TILE_HEIGHT]))

    def _node(self, height: int, index: int) -> bytes:
        """Hash of leaves index * 2**height to (index + 1) * 2**height - 1, all of which must exist."""
        level, row = divmod(height, TILE_HEIGHT)
        tile, place = divmod(index, TILE_WIDTH >> row)
        if tile == self.size >> (level + 1) * TILE_HEIGHT:
            return self._rows[height][place]
        rows = self._cache.get((level, tile)) or self._load_tile(level, tile)
        self._cache.move_to_end((level, tile))
        return rows[row][place * HASH_BYTES : (place + 1) * HASH_BYTES]

    def _load_tile(self, level: int, index: int) -> list[bytes]:
        """Read a full tile; it counts only if its root is the hash that the tile above holds for it."""
        subtrees = _subtrees(self._read_tile(level, index, TILE_WIDTH))
        if subtrees[TILE_HEIGHT][0] != self._node((level + 1) * TILE_HEIGHT, index):
            raise IntegrityError(
                "the stored tile contradicts the tree above it",
                where=f"tile level {level} index {index}",
                fix="Run `glomar-auditor verify`, and restore the ledger's tiles from a copy that it accepts",
            )
        return self._cache_tile(level, index, [b"".join(row) for row in subtrees[:TILE_HEIGHT]])

    def _cache_tile(self, level: int, index: int, rows: list[bytes]) -> list[bytes]:
        self._cache[level, index] = rows
        if len(self._cache) > MAX_CACHED_TILES:
            self._cache.popitem(last=False)
        return rows

    def _peak_list(self) -> list[tuple[int, bytes]]:
        """(height, hash) of the largest complete subtrees, left to right; worked out once a size."""
        if self._peaks is None:
            self._peaks = self._cover(0, self.size)
        return self._peaks

    def _cover(self, low: int, high: int) -> list[tuple[int, bytes]]:
        """The complete subtrees that make up leaves low to high - 1, largest first (low is aligned)."""
        cover = []
        while low < high:
            height = (high - low).bit_length() - 1
            cover.append((height, self._node(height, low >> height)))
            low += 1 << height
        return cover


def _require(index: int, limit: int) -> None:
    if not 0 <= index < limit:
        raise IndexError(f"{index} is not between 0 and {limit - 1}")


def _fold(cover: list[tuple[int, bytes]]) -> bytes:
    """Root over adjacent subtrees of falling size: the smallest pair up first."""
    root = cover[-1][1]
    for _, left in reversed(cover[:-1]):
        root = node_hash(left, root)
    return root


def _subtrees(hashes: bytes) -> list[list[bytes]]:
    """Complete subtrees over 1 to 256 hashes, one list for each height 0 to 8."""
    rows = [[hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]]
    for _ in range(TILE_HEIGHT):
        below = rows[-1]
        rows.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return rows
