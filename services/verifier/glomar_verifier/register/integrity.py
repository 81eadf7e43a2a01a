"""Checks that the rows of a register are those of its build. `sqlite` and `postgres_rows` implement reading
the rows."""

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from glomar_schemas.errors import IntegrityError

from glomar_verifier.register.digests import TABLES, SectionDigest, StoredRow, Table, bounds, digest_of
from glomar_verifier.register.lookup import REBUILD, RegisterMeta

SECTIONS_AT_OPEN = 8
"""Random sections of each table: some 100,000 rows, a tenth of a second."""

Progress = Callable[[int, int], None]
"""progress(sections done, of)."""


class RowSource(Protocol):
    """Both methods raise GlomarError if the rows cannot be read."""

    def count(self, table: Table) -> int: ...

    def between(self, table: Table, first: int, last: int) -> Sequence[StoredRow]:
        """The rows from one id or key to another, both included, in ascending order."""


def require_whole(rows: RowSource, meta: RegisterMeta, where: str) -> None:
    """Counts all rows, and compares the digests of some sections. Raises IntegrityError."""
    _require_counts(rows, meta, where)
    for table in TABLES:
        sections = meta.sections(table)
        for section in random.sample(sections, min(SECTIONS_AT_OPEN, len(sections))):
            _require_section(rows, table, section, where)


def require_unchanged(rows: RowSource, meta: RegisterMeta, where: str, progress: Progress) -> None:
    """Counts all rows, and compares the digests of all sections. Raises IntegrityError."""
    _require_counts(rows, meta, where)
    work = [(table, section) for table in TABLES for section in meta.sections(table)]
    for done, (table, section) in enumerate(work, start=1):
        _require_section(rows, table, section, where)
        progress(done, len(work))


def _require_counts(rows: RowSource, meta: RegisterMeta, where: str) -> None:
    for table in TABLES:
        found, built = rows.count(table), meta.rows(table)
        if found != built:
            how = "are missing" if found < built else "were added"
            raise IntegrityError(f"rows {how}: {found} in {table}, built {built}", where=where, fix=REBUILD)


def _require_section(rows: RowSource, table: Table, section: SectionDigest, where: str) -> None:
    first, last = bounds(table, section.number)
    if digest_of(rows.between(table, first, last)) == section.digest:
        return
    # The id of a spell is its line. A key is only a hash.
    place = f"lines {first} to {last} of the extract" if table == "spell" else "its keys"
    raise IntegrityError(f"the rows are not those of the build ({place})", where=where, fix=REBUILD)
