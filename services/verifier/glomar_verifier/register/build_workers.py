"""Reads the extract in chunks, on all cores, and sorts what it files; the build puts the results in place.
Each worker process holds one Intake; a small extract is read by the build's own process."""

import contextlib
import gc
import os
import signal
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import accumulate
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from glomar_schemas.errors import Fatal

from glomar_verifier.matching.normalise import AddressForm
from glomar_verifier.matching.rules import Rules
from glomar_verifier.readers.csv_rows import Chunk, RowFault, read_chunk
from glomar_verifier.register import external_sort as buckets
from glomar_verifier.register.digests import Section, digests
from glomar_verifier.register.extract import COLUMNS, read_record
from glomar_verifier.register.index_entries import LINE_AT, WIDTHS, contradictions, crowded, file, postings

SMALL_BYTES = 8 << 20
CHUNK_BYTES = 2 << 20
WAITING_FOR_EACH_WORKER = 3

A = TypeVar("A")
B = TypeVar("B")


class Spells(msgspec.Struct, frozen=True, array_like=True):
    """A chunk's rows: (id, fields) each, where id is the line; and what was left out."""

    rows: list[tuple[int, bytes]]
    faults: list[RowFault]
    end: int


class Postings(msgspec.Struct, frozen=True, array_like=True):
    """A bucket's postings, packed, since several wait: the keys, where the ids of each end, and the ids."""

    keys: "array[int]"
    ends: "array[int]"
    ids: bytes
    sections: list[Section]

    def rows(self) -> Iterator[tuple[int, bytes]]:
        start = 0
        for key, end in zip(self.keys, self.ends, strict=True):
            yield key, self.ids[start:end]
            start = end


class Intake(msgspec.Struct, frozen=True):
    """All that a worker needs. `directory` takes the entries; `secret` keys their hashes."""

    source: Path
    header: tuple[str, ...]
    rules: Rules
    form: AddressForm
    secret: bytes
    directory: Path

    def spells(self, chunk: Chunk) -> Spells:
        """Reads, normalises and files a chunk. Raises OSError."""
        rows, faults = [], []
        filed_postings, residents, filed_spells = [], [], []
        encode = msgspec.msgpack.Encoder().encode
        for row in read_chunk(self.source, chunk, self.header, COLUMNS):
            record = row if isinstance(row, RowFault) else read_record(row, self.rules, self.form)
            if isinstance(record, RowFault):
                faults.append(record)
                continue
            shared, resident, spell = file(record, row.line, self.secret)
            filed_postings += shared
            residents.append(resident)
            filed_spells.append(spell)
            rows.append((row.line, encode(record)))
        buckets.add(self.directory, "posting", filed_postings)
        buckets.add(self.directory, "resident", residents)
        buckets.add(self.directory, "spell", filed_spells)
        return Spells(rows, faults, chunk.offset + chunk.size)

    def contradictions(self, bucket: int) -> tuple[int, list[RowFault]]:
        return contradictions(self._take("spell", bucket))

    def crowded(self, job: tuple[int, frozenset[int]]) -> list[int]:
        """(bucket, lines left out) -> lines at crowded places."""
        bucket, left_out = job
        entries = buckets.without(self._take("resident", bucket), left_out, LINE_AT["resident"])
        return crowded(entries, self.rules.crowded_people)

    def postings(self, job: tuple[int, frozenset[int]]) -> Postings:
        """(bucket, lines left out) -> see `filing.postings`. A bucket ends where a section does."""
        bucket, left_out = job
        found = postings(buckets.without(self._take("posting", bucket), left_out, LINE_AT["posting"]))
        return Postings(
            array("q", [key for key, _ in found]),
            array("L", accumulate(len(ids) for _, ids in found)),
            b"".join([ids for _, ids in found]),
            list(digests("block", found)),
        )

    def _take(self, name: str, bucket: int) -> list[bytes]:
        return buckets.take(self.directory, name, bucket, WIDTHS[name])


class Crew:
    """Does jobs on an Intake, in order: in worker processes, or here if there are none."""

    def __init__(self, intake: Intake, pool: ProcessPoolExecutor | None, workers: int) -> None:
        self._intake = intake
        self._pool = pool
        self._ahead = workers * WAITING_FOR_EACH_WORKER

    def each(self, job: Callable[[Intake, A], B], items: Iterable[A]) -> Iterator[B]:
        """`job` is a method of Intake, and what it raises is raised. Few results wait, however many items."""
        if self._pool is None:
            yield from (job(self._intake, item) for item in items)
            return
        waiting: deque[Future[B]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(_do, job.__name__, item))
                if len(waiting) == self._ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise Fatal("a worker of the build was ended from outside", where="register build") from error


@contextlib.contextmanager
def crew(intake: Intake, size: int) -> Iterator[Crew]:
    """Workers for an extract of so many bytes; gone afterwards, also when this process is killed."""
    if size <= SMALL_BYTES:
        yield Crew(intake, None, 0)
        return
    workers = max(2, os.cpu_count() or 2)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (intake,))
    try:
        yield Crew(intake, pool, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_intake: Intake | None = None


def _begin(intake: Intake) -> None:
    global _intake
    _intake = intake
    # Ctrl-C is the build's to answer, and a worker whose build is gone would wait for ever.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Rows make no cycles, and the collector walks through all that waits.
    gc.disable()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _do(job: str, item: A) -> Any:
    return getattr(_intake, job)(item)
