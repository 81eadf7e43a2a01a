"""The ledger alone, as it grows to millions of leaves: speed, memory, and the time to open it again.

Runs in a process of its own, so that the measured memory is the ledger's.
"""

import os
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import MAX_JOURNAL_BYTES, Ledger
from glomar_schemas.tlog.leaf import Leaf
from msgspec import Struct

from tests.bench.processes import memory_mb

BATCH = 500
STEP = 1_000_000
ORIGIN = "audit.example/growth/1"
TIME_NS = 1_744_000_000 * 10**9


class Grown(Struct, frozen=True):
    """At one size: leaves a second since the last size, memory of the process, longest append since then."""

    size: int
    rate: float
    rss_mb: float
    longest_ms: float


class Reopened(Struct, frozen=True):
    """journal_mb: the size of the journal, which is read and hashed again."""

    size: int
    journal_mb: float
    seconds: float
    rss_mb: float


class Growth(Struct, frozen=True):
    grown: list[Grown]
    reopened: list[Reopened]


def measure(leaves: int, directory: Path) -> Growth:
    """Grows a ledger by millions, then opens it with a full journal, and again with an empty one."""
    signer = Ed25519PrivateKey.from_private_bytes(bytes(32))
    ledger = Ledger.open(directory, signer, ORIGIN)
    grown = [Grown(0, 0.0, _rss_mb(), 0.0)]
    while ledger.size < leaves:
        grown.append(_grow(ledger, min(leaves, ledger.size + STEP)))
    journal = directory / "journal"
    while journal.stat().st_size < 0.97 * MAX_JOURNAL_BYTES:
        _append(ledger)
    size = ledger.size
    ledger.close()
    reopened = []
    for _ in ("full", "empty"):
        journal_mb, started = journal.stat().st_size / 2**20, time.perf_counter()
        ledger = Ledger.open(directory, signer, ORIGIN)
        reopened.append(Reopened(size, journal_mb, time.perf_counter() - started, _rss_mb()))
        ledger.close()
    return Growth(grown, reopened)


def _grow(ledger: Ledger, size: int) -> Grown:
    before, started, longest_s = ledger.size, time.perf_counter(), 0.0
    while ledger.size < size:
        longest_s = max(longest_s, _append(ledger))
    rate = (ledger.size - before) / (time.perf_counter() - started)
    return Grown(ledger.size, rate, _rss_mb(), longest_s * 1000)


def _append(ledger: Ledger) -> float:
    """Appends one batch -> seconds."""
    batch = [_leaf(sequence) for sequence in range(ledger.size + 1, ledger.size + 1 + BATCH)]
    started = time.perf_counter()
    ledger.append(batch)
    return time.perf_counter() - started


def _leaf(sequence: int) -> Leaf:
    subject = f"glomar.irs-ice-2025.request.ice.0193f4a2-0000-7000-8000-{sequence:012d}"
    return Leaf(sequence, TIME_NS + sequence, subject, sequence.to_bytes(32, "big"))


def _rss_mb() -> float:
    return memory_mb(os.getpid(), "VmRSS")
