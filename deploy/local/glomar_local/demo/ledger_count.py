"""Counts the verdicts to each request in the ledger. Reads the signed log and nothing else."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.fsck import Report, verify
from glomar_auditor.ledger.tiles import TileStore
from glomar_schemas.errors import IntegrityError, Malformed
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.note import VerifierKey
from glomar_schemas.tlog.tree import TILE_WIDTH
from msgspec import Struct


class LedgerCount(Struct, frozen=True):
    """digests: request id -> SHA-256 of its body, hex; verdicts: request id -> how many followed it.

    strays: verdicts without an earlier request.
    """

    digests: dict[str, str]
    verdicts: Counter[str]
    strays: int = 0

    @property
    def is_one_to_one(self) -> bool:
        """Every request has exactly one verdict, and every verdict has a request."""
        return not self.strays and all(self.verdicts[each] == 1 for each in self.digests)


class AuditedLedger(Struct, frozen=True):
    """The result of a check: `report` if the ledger verifies, else the reason in `fault`; and its counts."""

    report: Report | None
    fault: str
    counted: LedgerCount


def audit(
    directory: Path, key: VerifierKey, subjects: Subjects, progress: Callable[[int, int], None] | None = None
) -> AuditedLedger:
    """Verifies the whole ledger, then counts its leaves."""
    try:
        report = verify(directory, key, progress)
    except IntegrityError as error:
        return AuditedLedger(None, str(error), LedgerCount({}, Counter()))
    return AuditedLedger(report, "", count(read(directory, report.size), subjects))


def read(directory: Path, size: int) -> Iterator[Leaf]:
    """The messages among the first `size` leaves, in order."""
    store = TileStore(directory, Disk())
    for start in range(0, size, TILE_WIDTH):
        for entry in store.read_bundle(start // TILE_WIDTH, min(TILE_WIDTH, size - start)):
            if not leaves.is_gap(entry):
                yield leaves.decode(entry)


def count(found: Iterable[Leaf], subjects: Subjects) -> LedgerCount:
    """Counts leaves in the ledger's order. Pure."""
    digests: dict[str, str] = {}
    verdicts: Counter[str] = Counter()
    strays = 0
    for leaf in found:
        try:
            address = subjects.parse(leaf.subject)
        except Malformed:
            continue
        if address.kind == "request":
            digests[address.token] = leaf.body_sha256.hex()
        elif address.kind == "verdict" and address.token in digests:
            verdicts[address.token] += 1
        elif address.kind == "verdict":
            strays += 1
    return LedgerCount(digests, verdicts, strays)
