"""Writes a result file, CSV or NDJSON: one line a request, in the order in which results arrive."""

import csv
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import msgspec
from glomar_schemas.errors import Misconfigured

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
    """Writes a file of mode 0600, renamed into place when it is complete.

    Without a path it writes to stdout, or nothing if `quiet`.
    """

    def __init__(self, path: Path | None, *, quiet: bool = False) -> None:
        self._path = path
        self._quiet = quiet and path is None
        self._has_header = False
        self._ndjson = path is not None and path.suffix in (".ndjson", ".jsonl")
        self._file: TextIO = sys.stdout

    def __enter__(self) -> Self:
        if self._path is not None:
            if self._path.is_dir():
                raise Misconfigured("is a directory", where=str(self._path), fix="Name a file")
            try:
                descriptor = os.open(self._draft(self._path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            except OSError as error:
                raise Misconfigured(f"can't be written ({error.strerror})", where=str(self._path)) from None
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        return self

    def write(self, result: Result) -> None:
        row = cells(result)
        if self._quiet:
            return
        self._write_header()
        if self._ndjson:
            self._file.write(msgspec.json.encode(dict(zip(COLUMNS, row, strict=True))).decode() + "\n")
        else:
            self._csv.writerow(row)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write_header()
        self._file.flush()
        if self._path is not None:
            self._file.close()
            if kind is None:
                self._rename_into_place(self._path)

    def _rename_into_place(self, path: Path) -> None:
        draft = self._draft(path)
        try:
            draft.replace(path)
        except OSError as error:
            raise Misconfigured(
                f"can't be written ({error.strerror})", where=str(path), fix=f"The results are in {draft}"
            ) from None

    def _write_header(self) -> None:
        """With the first row, so that a run that fails before it prints nothing."""
        if not self._has_header and not self._ndjson and not self._quiet:
            self._csv.writerow(COLUMNS)
        self._has_header = True

    def _draft(self, path: Path) -> Path:
        return path.with_name(path.name + ".part")
