"""Are the rows of a register those of its build? Called when one is opened and by `register check`.
`sqlite` and `postgres` say only how rows are read."""

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from glomar_schemas.errors import IntegrityError

from glomar_verifier.register.digests import TABLES, Row, Section, Table, bounds, digest_of
from glomar_verifier.register.lookup import REBUILD, Meta

SECTIONS_AT_OPEN = 8
"""Of each table, by chance: some 100,000 rows, a tenth of a second."""

Progress = Callable[[int, int], None]
"""progress(sections done, of)."""


class Rows(Protocol):
    """Both raise GlomarError if the rows can't be read."""

    def count(self, table: Table) -> int: ...

    def between(self, table: Table, first: int, last: int) -> Sequence[Row]:
        """The rows from one id or key to another, both included, in ascending order."""


def require_whole(rows: Rows, meta: Meta, where: str) -> None:
    """Every row is counted, and the digests of some sections are compared. Raises IntegrityError."""
    _require_counts(rows, meta, where)
    for table in TABLES:
        sections = meta.sections(table)
        for section in random.sample(sections, min(SECTIONS_AT_OPEN, len(sections))):
            _require(rows, table, section, where)


def require_unchanged(rows: Rows, meta: Meta, where: str, progress: Progress) -> None:
    """Everything is compared. Raises IntegrityError."""
    _require_counts(rows, meta, where)
    work = [(table, section) for table in TABLES for section in meta.sections(table)]
    for done, (table, section) in enumerate(work, start=1):
        _require(rows, table, section, where)
        progress(done, len(work))


def _require_counts(rows: Rows, meta: Meta, where: str) -> None:
    for table in TABLES:
        found, built = rows.count(table), meta.rows(table)
        if found != built:
            how = "are missing" if found < built else "were added"
            raise IntegrityError(f"rows {how}: {found} in {table}, built {built}", where=where, fix=REBUILD)


def _require(rows: Rows, table: Table, section: Section, where: str) -> None:
    first, last = bounds(table, section.number)
    if digest_of(rows.between(table, first, last)) == section.digest:
        return
    # A spell's id is its line; a key says nothing to anybody.
    place = f"lines {first} to {last} of the extract" if table == "spell" else "its keys"
    raise IntegrityError(f"the rows are not those of the build ({place})", where=where, fix=REBUILD)
