"""All changes to the files of a published ledger of 1,000 entries, and those that a check does not notice.

The tests try some changes of each kind, `python -m tests.bench.checking` tries all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from hashlib import sha256
from itertools import combinations, islice
from pathlib import Path
from typing import NamedTuple, Protocol
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.fsck import verify
from glomar_auditor.ledger.ledger import Ledger
from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog import leaf, merkle
from glomar_schemas.tlog.layout import decode_bundle, encode_bundle
from glomar_schemas.tlog.merkle import HASH_BYTES
from glomar_schemas.tlog.note import format_vkey, parse_vkey

ENTRIES = 1_000
EARLIER = 900
"""Gives a partial tile and bundle of an earlier checkpoint beside the newest ones."""
ORIGIN = "audit.example/agreement-1/1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = parse_vkey(format_vkey(ORIGIN, SIGNER.public_key()))
NOT_PUBLISHED = ("journal", "lock")

Files = Mapping[str, bytes]


class Change(NamedTuple):
    """A description, and the changed files: name -> content, or None if the file is removed."""

    what: str
    files: Mapping[str, bytes | None]


def write(directory: Path, *sizes: int) -> Path:
    """A ledger that published a checkpoint at each of the sizes."""
    ledger = Ledger.open(directory, SIGNER, ORIGIN)
    for size in sizes or (EARLIER, ENTRIES):
        ledger.append([entry(sequence) for sequence in range(ledger.size + 1, size + 1)])
    ledger.close()
    return directory


def entry(sequence: int, body: str = "") -> leaf.Leaf:
    """Message `sequence`, as the ledger records it."""
    subject = f"glomar.irs-ice-2025.request.ice.0198c0de-0000-7000-8000-{sequence:012x}"
    digest = sha256(f"{sequence} {body}".encode()).digest()
    return leaf.Leaf(sequence, 10**18 + sequence * 333_333, subject, digest)


def published(directory: Path) -> dict[str, bytes]:
    """Every published file of the ledger."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in NOT_PUBLISHED
    }


def flips(files: Files, start: int = 0, every: int = 1) -> Iterator[Change]:
    """One bit of each byte of each file: bit n % 8 of byte n."""
    for name, content in files.items():
        for place in range(start, len(content), every):
            changed = bytes([content[place] ^ 1 << place % 8])
            damaged = content[:place] + changed + content[place + 1 :]
            yield Change(f"bit {place % 8} of byte {place} of {name} flipped", {name: damaged})


def truncations(files: Files, start: int = 0, every: int = 1) -> Iterator[Change]:
    """Each file cut to each length, and removed, except files that no reader needs."""
    for name, content in files.items():
        for length in range(start, len(content), every):
            yield Change(f"{name} cut to {length} bytes", {name: content[:length]})
        if start == 0 and name != "log.vkey" and not name.endswith(f".p/{EARLIER % 256}"):
            yield Change(f"{name} removed", {name: None})


def reorders(files: Files, start: int = 0, every: int = 1) -> Iterator[Change]:
    """Neighbouring entries or hashes swapped in each bundle and tile, and the contents of each two files."""
    for name, parts, joined in _in_parts(files):
        for index in range(start, len(parts) - 1, every):
            swapped = [*parts[:index], parts[index + 1], parts[index], *parts[index + 2 :]]
            yield Change(f"parts {index} and {index + 1} of {name} swapped", {name: joined(swapped)})
    for one, other in islice(combinations(files, 2), start, None, every):
        yield Change(f"{one} and {other} swapped", {one: files[other], other: files[one]})


def replays(files: Files, start: int = 0, every: int = 1) -> Iterator[Change]:
    """Each entry and hash repeated in place of the next one, repeated before it, and left out."""
    for name, parts, joined in _in_parts(files):
        for index in range(start, len(parts), every):
            before, part, rest = parts[:index], parts[index], parts[index + 1 :]
            if rest:
                replaced = joined([*before, part, part, *rest[1:]])
                yield Change(f"part {index} of {name} in the place of the next", {name: replaced})
            yield Change(f"part {index} of {name} repeated", {name: joined([*before, part, part, *rest])})
            yield Change(f"part {index} of {name} left out", {name: joined([*before, *rest])})


Changes = Iterator[Change]


class Kind(Protocol):
    """Yields the changes of one kind: from `start` in each file, one of `every`."""

    def __call__(self, files: Files, start: int = 0, every: int = 1) -> Changes: ...


KINDS: Mapping[str, Kind] = {
    "a bit of one byte flipped": flips,
    "a file cut or removed": truncations,
    "entries, hashes or files swapped": reorders,
    "an entry or hash repeated or left out": replays,
}


def verified(directory: Path) -> None:
    """Runs `verify`. Raises IntegrityError."""
    verify(directory, KEY)


def unnoticed(
    directory: Path, changes: Iterable[Change], check: Callable[[Path], object] = verified
) -> Iterator[Change]:
    """Makes each change, runs the whole check and restores the files -> the changes that passed the check."""
    with _cached_functions():
        for change in changes:
            originals = {name: (directory / name).read_bytes() for name in change.files}
            for name, content in change.files.items():
                _put(directory / name, content)
            try:
                check(directory)
                yield change
            except IntegrityError:
                pass
            finally:
                for name, content in originals.items():
                    _put(directory / name, content)


def _put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def _in_parts(files: Files) -> Iterator[tuple[str, list[bytes], Callable[[list[bytes]], bytes]]]:
    """(name, entries or hashes, the function that joins them) of each bundle and tile."""
    for name, content in files.items():
        if name.startswith("tile/entries/"):
            yield name, decode_bundle(content), encode_bundle
        elif name.startswith("tile/"):
            hashes = range(0, len(content), HASH_BYTES)
            yield name, [content[start : start + HASH_BYTES] for start in hashes], b"".join


@contextmanager
def _cached_functions() -> Iterator[None]:
    """`verify` does everything, but the pure functions that it calls remember their results."""
    with ExitStack() as stack:
        for where, function in (
            ("glomar_schemas.tlog.leaf.decode", leaf.decode),
            ("glomar_auditor.ledger.fsck.leaf_hash", merkle.leaf_hash),
            ("glomar_schemas.tlog.tree.node_hash", merkle.node_hash),
        ):
            stack.enter_context(patch(where, lru_cache(maxsize=16 * ENTRIES)(function)))
        yield
