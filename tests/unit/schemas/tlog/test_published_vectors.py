"""Tree and proofs against answers that others published for RFC 6962, RFC 9162 and c2sp.org/tlog-tiles.

Leaves, roots and proofs: google/certificate-transparency cpp/merkletree/merkle_tree_test.cc, and the same
with ways to spoil them in transparency-dev/merkle proof/verify_test.go. Signed notes: see test_note.py.
"""

import pytest
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.layout import is_tile, tile_path
from glomar_schemas.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from glomar_schemas.tlog.tree import Tree

from tests.unit.schemas.tlog.test_merkle import STANDARD_LEAVES, STANDARD_ROOTS

ROOTS = [bytes.fromhex(root) for root in STANDARD_ROOTS]
LEAF_HASHES = [leaf_hash(entry) for entry in STANDARD_LEAVES]

INCLUSION = {
    # (1-based leaf, size), as published
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (2, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[1, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


def tree(size: int) -> Tree:
    built = Tree(unread)
    built.append(LEAF_HASHES[:size])
    return built


def unread(level: int, index: int, width: int) -> bytes:
    raise AssertionError


def hashes(published: list[str]) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, published))


@pytest.mark.parametrize("size", range(1, 9))
def test_the_tree_has_the_published_root_however_it_grew(size: int) -> None:
    one_by_one = Tree(unread)
    for each in LEAF_HASHES[:size]:
        one_by_one.append([each])
    assert one_by_one.root() == tree(size).root() == ROOTS[size - 1]


@pytest.mark.parametrize(("place", "published"), INCLUSION.items())
def test_inclusion_proofs_are_the_published_ones(place: tuple[int, int], published: list[str]) -> None:
    index, size = place[0] - 1, place[1]
    proof = hashes(published)
    assert tree(size).inclusion_proof(index) == proof
    verify_inclusion(LEAF_HASHES[index], index, size, proof, ROOTS[size - 1])


@pytest.mark.parametrize(("sizes", "published"), CONSISTENCY.items())
def test_consistency_proofs_are_the_published_ones(sizes: tuple[int, int], published: list[str]) -> None:
    old, new = sizes
    proof = hashes(published)
    assert tree(new).consistency_proof(old) == proof
    verify_consistency(old, ROOTS[old - 1], new, ROOTS[new - 1], proof)


@pytest.mark.parametrize(("place", "published"), INCLUSION.items())
def test_the_published_ways_to_spoil_an_inclusion_proof_are_refused(
    place: tuple[int, int], published: list[str]
) -> None:
    index, size = place[0] - 1, place[1]
    leaf, root, proof = LEAF_HASHES[index], ROOTS[size - 1], hashes(published)
    some = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")
    wrong = [(index - 1, size, proof), (index + 1, size, proof), (index ^ 2, size, proof)]
    wrong += [(index, size * 2, proof), (index, size // 2, proof)]
    wrong += [(index, size, (*proof, b"")), (index, size, (*proof, root)), (index, size, (root, *proof))]
    wrong += [(index, size, proof[:-1])] if proof else []
    wrong += [(index, size, (proof[0], some, *proof[1:]))] if proof else []
    for changed in range(len(proof)):
        one = bytes([proof[changed][0] ^ 8]) + proof[changed][1:]
        wrong.append((index, size, (*proof[:changed], one, *proof[changed + 1 :])))
    for claimed, of, path in wrong:
        with pytest.raises(IntegrityError):
            verify_inclusion(leaf, claimed, of, path, root)


def test_a_log_of_70000_has_the_files_that_the_specification_lists() -> None:
    """c2sp.org/tlog-tiles, "Partial Tiles"."""
    built, full, edges = Tree(unread), set[str](), dict[int, str]()
    for start in range(0, 70_000, 256):
        for tile in built.append([bytes(32)] * min(256, 70_000 - start)):
            width = len(tile.hashes) // 32
            path = str(tile_path(tile.level, tile.index, width))
            if width == 256:
                full.add(path)
                edges.pop(tile.level, None)
            else:
                edges[tile.level] = path
    assert full == {f"tile/0/{n:03d}" for n in range(273)} | {"tile/1/000"}
    assert edges == {0: "tile/0/273.p/112", 1: "tile/1/001.p/17", 2: "tile/2/000.p/1"}
    assert all(map(is_tile, [*full, *edges.values()]))
