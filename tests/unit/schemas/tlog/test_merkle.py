"""Merkle hashing and proof checks against RFC 6962's published roots and a naive recursive implementation."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from hypothesis import given
from hypothesis import strategies as st

STANDARD_LEAVES = [
    bytes.fromhex(text)
    for text in [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
]
STANDARD_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    half = naive_split(len(hashes))
    return node_hash(naive_root(hashes[:half]), naive_root(hashes[half:]))


def naive_path(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1, word for word."""
    if len(hashes) == 1:
        return []
    half = naive_split(len(hashes))
    if index < half:
        return [*naive_path(index, hashes[:half]), naive_root(hashes[half:])]
    return [*naive_path(index - half, hashes[half:]), naive_root(hashes[:half])]


def naive_consistency(old: int, hashes: Sequence[bytes], complete: bool = True) -> list[bytes]:
    """RFC 6962 §2.1.2, word for word; 0 < old."""
    if old == len(hashes):
        return [] if complete else [naive_root(hashes)]
    half = naive_split(len(hashes))
    if old <= half:
        return [*naive_consistency(old, hashes[:half], complete), naive_root(hashes[half:])]
    return [*naive_consistency(old - half, hashes[half:], False), naive_root(hashes[:half])]


def naive_split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def numbered_hashes(size: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_standard_leaves_hash_to_the_published_roots(size: int) -> None:
    assert (
        naive_root([leaf_hash(entry) for entry in STANDARD_LEAVES[:size]]).hex() == STANDARD_ROOTS[size - 1]
    )


def test_the_empty_root_is_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.integers(1, 70), st.data())
def test_every_naive_inclusion_proof_verifies(size: int, data: st.DataObject) -> None:
    hashes = numbered_hashes(size)
    index = data.draw(st.integers(0, size - 1))
    verify_inclusion(hashes[index], index, size, naive_path(index, hashes), naive_root(hashes))


@given(st.integers(1, 70), st.data())
def test_an_inclusion_proof_that_was_touched_is_refused(size: int, data: st.DataObject) -> None:
    hashes = numbered_hashes(size)
    index = data.draw(st.integers(0, size - 1))
    root, path = naive_root(hashes), naive_path(index, hashes)
    wrong = bytes(32)
    forgeries = [[*path, wrong], [wrong, *path]]
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        forgeries += [path[1:], path[:-1], [*path[:place], wrong, *path[place + 1 :]]]
    for forged in forgeries:
        with pytest.raises(IntegrityError):
            verify_inclusion(hashes[index], index, size, forged, root)
    with pytest.raises(IntegrityError):
        verify_inclusion(wrong, index, size, path, root)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(-1, 40))
def test_a_proof_holds_for_no_other_index(size: int, other: int, index: int) -> None:
    hashes = numbered_hashes(size)
    true_index = other % size
    if index == true_index:
        return
    with pytest.raises(IntegrityError):
        verify_inclusion(hashes[true_index], index, size, naive_path(true_index, hashes), naive_root(hashes))


@given(st.integers(1, 70), st.data())
def test_every_naive_consistency_proof_verifies(size: int, data: st.DataObject) -> None:
    hashes = numbered_hashes(size)
    old = data.draw(st.integers(1, size))
    proof = naive_consistency(old, hashes)
    verify_consistency(old, naive_root(hashes[:old]), size, naive_root(hashes), proof)


@given(st.integers(1, 70), st.data())
def test_a_consistency_proof_that_was_touched_is_refused(size: int, data: st.DataObject) -> None:
    hashes = numbered_hashes(size)
    old = data.draw(st.integers(1, size))
    old_root, root, proof = naive_root(hashes[:old]), naive_root(hashes), naive_consistency(old, hashes)
    wrong = bytes(32)
    forgeries = [(wrong, root, proof), (old_root, wrong, proof), (old_root, root, [*proof, wrong])]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        forgeries += [
            (old_root, root, proof[:-1]),
            (old_root, root, [*proof[:place], wrong, *proof[place + 1 :]]),
        ]
    for forged_old_root, forged_root, forged in forgeries:
        with pytest.raises(IntegrityError):
            verify_consistency(old, forged_old_root, size, forged_root, forged)


def test_everything_is_consistent_with_the_empty_tree_and_needs_no_hashes() -> None:
    root = naive_root(numbered_hashes(3))
    verify_consistency(0, EMPTY_ROOT, 3, root, [])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    for old_root, new_size, new_root, proof in [
        (root, 3, root, []),
        (EMPTY_ROOT, 3, root, [root]),
        (EMPTY_ROOT, 0, root, []),
    ]:
        with pytest.raises(IntegrityError):
            verify_consistency(0, old_root, new_size, new_root, proof)


@pytest.mark.parametrize(("claimed_index", "claimed_size"), [(1, 2), (3, 8), (3, 16)])
def test_an_inclusion_proof_from_a_tree_of_another_height_is_refused(
    claimed_index: int, claimed_size: int
) -> None:
    hashes = numbered_hashes(4)
    with pytest.raises(IntegrityError):
        verify_inclusion(hashes[3], claimed_index, claimed_size, naive_path(3, hashes), naive_root(hashes))


@pytest.mark.parametrize(("old", "claimed_old", "claimed_new"), [(4, 4, 16), (7, 3, 4)])
def test_a_consistency_proof_from_a_tree_of_another_height_is_refused(
    old: int, claimed_old: int, claimed_new: int
) -> None:
    hashes = numbered_hashes(8)
    proof = naive_consistency(old, hashes)
    with pytest.raises(IntegrityError, match="than the tree has levels"):
        verify_consistency(claimed_old, naive_root(hashes[:old]), claimed_new, naive_root(hashes), proof)


def test_a_tree_that_shrank_is_refused() -> None:
    hashes = numbered_hashes(5)
    with pytest.raises(IntegrityError, match="smaller"):
        verify_consistency(5, naive_root(hashes), 4, naive_root(hashes[:4]), [])


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=300))
def test_the_root_of_a_small_tree_is_that_of_the_definition(hashes: list[bytes]) -> None:
    assert root(hashes) == naive_root(hashes)
