"""Result files: CSV or NDJSON, one line a request, in the order of the answers. Called by the batch."""

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
    """Writes to a file that only its owner reads and that gets its name when it is complete.

    Without a path it writes to stdout, or nowhere if `quiet`.
    """

    def __init__(self, path: Path | None, *, quiet: bool = False) -> None:
        self._path = path
        self._quiet = quiet and path is None
        self._headed = False
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
        self._head()
        if self._ndjson:
            self._file.write(msgspec.json.encode(dict(zip(COLUMNS, row, strict=True))).decode() + "\n")
        else:
            self._csv.writerow(row)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._head()
        self._file.flush()
        if self._path is not None:
            self._file.close()
            if kind is None:
                self._put_in_place(self._path)

    def _put_in_place(self, path: Path) -> None:
        draft = self._draft(path)
        try:
            draft.replace(path)
        except OSError as error:
            raise Misconfigured(
                f"can't be written ({error.strerror})", where=str(path), fix=f"The results are in {draft}"
            ) from None

    def _head(self) -> None:
        """Before the first row, so that a run which fails at once prints nothing."""
        if not self._headed and not self._ndjson and not self._quiet:
            self._csv.writerow(COLUMNS)
        self._headed = True

    def _draft(self, path: Path) -> Path:
        return path.with_name(path.name + ".part")
