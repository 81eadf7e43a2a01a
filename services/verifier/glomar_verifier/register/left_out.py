"""The rows of an extract that a build leaves out: counted by cause, and each of them in a file."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from glomar_schemas.errors import GlomarError
from glomar_schemas.files import replacing_text
from msgspec import Struct

from glomar_verifier.readers.csv_rows import RowFault

MAX_FAULTS = 1_000
LINES_SHOWN = 5
FILE_COLUMNS = ("line", "column", "cause")
_OTHER_LINE = ", line "


class Cause(Struct, frozen=True):
    """`column` is blank for the whole row. `lines` are the first LINES_SHOWN."""

    column: str
    what: str
    rows: int
    lines: tuple[int, ...]


class LeftOutRows:
    """`faults` are the first MAX_FAULTS. No fault holds a value of the extract."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.rows = 0
        self.faults: list[RowFault] = []
        self._causes: dict[tuple[str, str], tuple[int, list[int]]] = {}
        self._file = csv.writer(file, lineterminator="\n") if file else None
        if self._file:
            self._file.writerow(FILE_COLUMNS)

    def add(self, faults: Sequence[RowFault]) -> None:
        """Rows that are left out, each once."""
        self.rows += len(faults)
        self.faults += faults[: MAX_FAULTS - len(self.faults)]
        for fault in faults:
            key = fault.column, fault.what.partition(_OTHER_LINE)[0]
            rows, lines = self._causes.get(key, (0, []))
            if len(lines) < LINES_SHOWN:
                lines.append(fault.line)
            self._causes[key] = rows + 1, lines
        if self._file:
            self._file.writerows((fault.line, fault.column, fault.what) for fault in faults)

    def causes(self) -> list[Cause]:
        """The most frequent first."""
        found = [Cause(*key, rows, tuple(sorted(lines))) for key, (rows, lines) in self._causes.items()]
        return sorted(found, key=lambda cause: (-cause.rows, cause.lines))


@contextmanager
def left_out_rows(path: Path | None) -> Iterator[LeftOutRows]:
    """Writes every row to `path`, of mode 0600; no file if no row was left out. The file is also complete if
    the build fails. Raises Misconfigured."""
    if path is None:
        yield LeftOutRows()
        return
    failed: GlomarError | None = None
    with replacing_text(path) as file:
        left_out = LeftOutRows(file)
        try:
            yield left_out
        except GlomarError as error:
            failed = error
    if not left_out.rows:
        path.unlink()
    if failed is not None:
        raise failed
