"""The workers of a build: they read the extract in chunks and sort its index entries, on all cores. A small
extract is read in the build's own process."""

import contextlib
import gc
import os
import signal
import threading
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import accumulate
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from glomar_schemas.errors import Fatal

from glomar_verifier.matching.addresses import AddressForm
from glomar_verifier.matching.rules import Rules
from glomar_verifier.readers.csv_rows import FileChunk, RowFault, read_chunk
from glomar_verifier.register.digests import SectionDigest, digests
from glomar_verifier.register.extract import COLUMNS, read_record
from glomar_verifier.register.index_entries import (
    LINE_AT,
    WIDTHS,
    contradictions,
    crowded,
    index_entries,
    postings,
)

SMALL_BYTES = 8 << 20
CHUNK_BYTES = 2 << 20
JOBS_AHEAD_PER_WORKER = 3

A = TypeVar("A")
B = TypeVar("B")

BUCKETS = 256
"""External bucket sort: each process appends its entries to so many files by their first byte, and each
bucket is sorted in memory. The entries hold keyed hashes, line numbers and years only."""


class ChunkRecords(msgspec.Struct, frozen=True, array_like=True):
    """`rows` are (id, fields), where the id is the line; `end` is the offset after the chunk."""

    rows: list[tuple[int, bytes]]
    faults: list[RowFault]
    end: int


class BucketPostings(msgspec.Struct, frozen=True, array_like=True):
    """The postings of one bucket, packed, since several wait in memory: the keys, the offsets at which the
    ids of each key end, and the ids."""

    keys: "array[int]"
    ends: "array[int]"
    ids: bytes
    sections: list[SectionDigest]

    def rows(self) -> Iterator[tuple[int, bytes]]:
        start = 0
        for key, end in zip(self.keys, self.ends, strict=True):
            yield key, self.ids[start:end]
            start = end


class BuildJobs(msgspec.Struct, frozen=True):
    """The jobs that a worker does, and what they need. `directory` is for the index entries; `secret` (32
    bytes) keys their hashes."""

    source: Path
    header: tuple[str, ...]
    rules: Rules
    form: AddressForm
    secret: bytes
    directory: Path

    def records(self, chunk: FileChunk) -> ChunkRecords:
        """Reads and normalises a chunk, and writes its index entries. Raises OSError."""
        rows, faults = [], []
        all_postings, residents, spells = [], [], []
        encode = msgspec.msgpack.Encoder().encode
        for row in read_chunk(self.source, chunk, self.header, COLUMNS):
            record = row if isinstance(row, RowFault) else read_record(row, self.rules, self.form)
            if isinstance(record, RowFault):
                faults.append(record)
                continue
            shared, resident, spell = index_entries(record, row.line, self.secret)
            all_postings += shared
            residents.append(resident)
            spells.append(spell)
            rows.append((row.line, encode(record)))
        append_entries(self.directory, "posting", all_postings)
        append_entries(self.directory, "resident", residents)
        append_entries(self.directory, "spell", spells)
        return ChunkRecords(rows, faults, chunk.offset + chunk.size)

    def contradictions(self, bucket: int) -> tuple[int, list[RowFault], Counter[int]]:
        """See `index_entries.contradictions`."""
        return contradictions(self._take("spell", bucket))

    def crowded(self, job: tuple[int, frozenset[int]]) -> list[int]:
        """(bucket, lines left out) -> the lines of the spells at crowded places."""
        bucket, left_out = job
        entries = _without(self._take("resident", bucket), left_out, LINE_AT["resident"])
        return crowded(entries, self.rules.crowded_people)

    def postings(self, job: tuple[int, frozenset[int]]) -> BucketPostings:
        """(bucket, lines left out) -> its postings. A bucket ends at the end of a section."""
        bucket, left_out = job
        entries = _without(self._take("posting", bucket), left_out, LINE_AT["posting"])
        found = postings(entries)
        return BucketPostings(
            array("q", [key for key, _ in found]),
            array("L", accumulate(len(ids) for _, ids in found)),
            b"".join([ids for _, ids in found]),
            list(digests("block", found)),
        )

    def _take(self, name: str, bucket: int) -> list[bytes]:
        return take_bucket(self.directory, name, bucket, WIDTHS[name])


class WorkerPool:
    """Runs jobs in order: in worker processes, or in this process if there are none."""

    def __init__(self, jobs: BuildJobs, pool: ProcessPoolExecutor | None, workers: int) -> None:
        self._jobs = jobs
        self._pool = pool
        self._ahead = workers * JOBS_AHEAD_PER_WORKER

    def each(self, job: Callable[[BuildJobs, A], B], items: Iterable[A]) -> Iterator[B]:
        """The result of `job`, a method of BuildJobs, for each item, in order. At most JOBS_AHEAD_PER_WORKER
        results per worker wait in memory. Raises what the job raises, and Fatal if a worker was killed."""
        if self._pool is None:
            yield from (job(self._jobs, item) for item in items)
            return
        pending: deque[Future[B]] = deque()
        try:
            for item in items:
                pending.append(self._pool.submit(_run, job.__name__, item))
                if len(pending) == self._ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise Fatal("a worker of the build was killed", where="register build") from error


@contextlib.contextmanager
def worker_pool(jobs: BuildJobs, size: int, lock: int) -> Iterator[WorkerPool]:
    """Workers for an extract of `size` bytes. They end with the block, also if this process is killed.

    The workers are forked, so that they share the memory of the word lists. `lock`: the file descriptor of
    the build's lock, which they close: it must not outlive this process.
    """
    if size <= SMALL_BYTES:
        yield WorkerPool(jobs, None, 0)
        return
    workers = max(2, os.cpu_count() or 2)
    pool = ProcessPoolExecutor(workers, get_context("fork"), _start_worker, (jobs, lock))
    try:
        yield WorkerPool(jobs, pool, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_jobs: BuildJobs | None = None


def _start_worker(jobs: BuildJobs, lock: int) -> None:
    global _jobs
    _jobs = jobs
    os.close(lock)
    # The build handles Ctrl-C. A worker whose build was killed would wait forever, so a thread ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Rows make no reference cycles, and the collector would visit everything that waits.
    gc.disable()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _run(job: str, item: A) -> Any:
    return getattr(_jobs, job)(item)


def append_entries(directory: Path, name: str, entries: Iterable[bytes]) -> None:
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


def take_bucket(directory: Path, name: str, bucket: int, width: int) -> list[bytes]:
    """The entries of the bucket in order; its files are deleted. All entries of a bucket sort before those of
    the next."""
    files = [file for own in sorted(directory.iterdir()) if (file := own / f"{name}-{bucket}").exists()]
    content = b"".join([file.read_bytes() for file in files])
    for file in files:
        file.unlink()
    entries = [content[at : at + width] for at in range(0, len(content), width)]
    entries.sort()
    return entries


def _without(entries: Sequence[bytes], lines: frozenset[int], at: int) -> Sequence[bytes]:
    """The entries except those of which the four bytes at offset `at` are one of `lines`."""
    if not lines:
        return entries
    left_out = {line.to_bytes(4, "big") for line in lines}
    return [entry for entry in entries if entry[at : at + 4] not in left_out]


def _write(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]
