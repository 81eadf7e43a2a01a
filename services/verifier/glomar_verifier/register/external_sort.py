"""External bucket sort: each process appends its entries to 256 files by their first byte, and each bucket is
sorted in memory. The entries hold keyed hashes, line numbers and years only."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

BUCKETS = 256


def append(directory: Path, name: str, entries: Iterable[bytes]) -> None:
    """Appends entries of one width under `name`. Processes do not share files, so none waits."""
    own = directory / str(os.getpid())
    own.mkdir(mode=0o700, exist_ok=True)
    parts: list[list[bytes]] = [[] for _ in range(BUCKETS)]
    for entry in entries:
        parts[entry[0]].append(entry)
    for bucket, part in enumerate(parts):
        if part:
            with (own / f"{name}-{bucket}").open("ab", buffering=0) as file:
                _write(file.fileno(), b"".join(part))


def take(directory: Path, name: str, bucket: int, width: int) -> list[bytes]:
    """The entries of the bucket in order; its files are deleted. All entries of a bucket sort before those of
    the next."""
    files = [file for own in sorted(directory.iterdir()) if (file := own / f"{name}-{bucket}").exists()]
    content = b"".join([file.read_bytes() for file in files])
    for file in files:
        file.unlink()
    entries = [content[at : at + width] for at in range(0, len(content), width)]
    entries.sort()
    return entries


def without(entries: Sequence[bytes], lines: frozenset[int], at: int) -> Sequence[bytes]:
    """The entries except those of which the four bytes at offset `at` are one of `lines`."""
    if not lines:
        return entries
    left_out = {line.to_bytes(4, "big") for line in lines}
    return [entry for entry in entries if entry[at : at + 4] not in left_out]


def _write(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]
