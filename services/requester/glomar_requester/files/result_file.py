"""Writes a result file, CSV or NDJSON: one line a request, in the order in which results arrive."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import msgspec
from glomar_schemas.files import replacing_text

from glomar_requester.verification.release import Result

COLUMNS = ("reference", "request_id", "outcome", "refusals", "sequence", "trace_id", "receipt_ok")


def cells(result: Result) -> tuple[str, ...]:
    """refusals: condition ids with ; between them. sequence: of the verdict, empty without one."""
    return (
        result.reference,
        result.request_id,
        result.outcome,
        ";".join(refusal.condition for refusal in result.refusals),
        "" if result.sequence is None else str(result.sequence),
        result.trace_id,
        "true" if result.receipt_ok else "false",
    )


class ResultWriter:
    """file: None discards the results."""

    def __init__(self, file: TextIO | None, *, ndjson: bool = False) -> None:
        self._file = file
        self._ndjson = ndjson
        self._csv = csv.writer(file, lineterminator="\n") if file and not ndjson else None
        self._has_header = False

    def write(self, result: Result) -> None:
        self.write_header()
        if self._csv is not None:
            self._csv.writerow(cells(result))
        elif self._file is not None:
            row = dict(zip(COLUMNS, cells(result), strict=True))
            self._file.write(msgspec.json.encode(row).decode() + "\n")

    def write_header(self) -> None:
        """With the first row, so that a run that fails before it prints nothing."""
        if self._csv is not None and not self._has_header:
            self._csv.writerow(COLUMNS)
        self._has_header = True


@contextmanager
def open_results(path: Path | None, *, quiet: bool = False) -> Iterator[ResultWriter]:
    """A file of mode 0600, named when it is complete. Without a path: stdout, or nothing if `quiet`.

    Raises Misconfigured.
    """
    if path is None:
        writer = ResultWriter(None if quiet else sys.stdout)
        yield writer
        writer.write_header()
        sys.stdout.flush()
        return
    with replacing_text(path) as file:
        writer = ResultWriter(file, ndjson=path.suffix in (".ndjson", ".jsonl"))
        yield writer
        writer.write_header()
