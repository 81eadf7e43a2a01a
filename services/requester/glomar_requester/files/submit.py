"""The way of a request file: read its rows, send them, write one result for each.

Each row is sent under a key made of the file's digest and its line, so running the same file again after a
crash sends nothing twice and gives the answers that are already stored.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, get_args

from glomar_schemas.errors import IntegrityError, Malformed, Misconfigured
from msgspec import Struct

from glomar_requester.ask import Question
from glomar_requester.client import Client
from glomar_requester.files.read_requests import BadRow, FileDigest, FileFormat, digest_file, read_rows
from glomar_requester.files.result_file import ResultWriter
from glomar_requester.verification.release import Outcome, Result

Advance = Callable[[int, int], None]
"""advance(done, total); total is the number of lines of the file."""


class Summary(Struct, frozen=True):
    """The output of `--json`. Counts are of rows. fault: why an answer failed verification, if one did."""

    version: int
    rows: int
    confirm: int
    deny: int
    refused: int
    rejected: int
    unanswered: int
    recalled: int
    expired: int
    bad_rows: int
    seconds: float
    unwitnessed: int
    """Of the unanswered: those whose receipt lacks the quorum of witnesses."""
    fault: str = ""


class Submission:
    """One run over one file."""

    def __init__(
        self, client: Client, source: Path, writer: ResultWriter, on_bad_row: Callable[[BadRow], None]
    ) -> None:
        self._client = client
        self._source = source
        self._writer = writer
        self._on_bad_row = on_bad_row
        self._counts: Counter[Outcome] = Counter()
        self._bad_rows = 0
        self._unwitnessed = 0

    async def run(self, *, wait: bool, timeout_s: float, advance: Advance) -> Summary:
        """Raises Malformed (not a request file), Misconfigured (can't be read), Retryable (no bus)."""
        started = time.monotonic()
        fault = ""
        try:
            with self._reading():
                file = self._source.open("rb")
            with file:
                with self._reading():
                    found = digest_file(file)
                    file.seek(0)
                results = self._client.ask_many(self._questions(file, found), timeout_s=timeout_s, wait=wait)
                async for result in results:
                    self._write(result)
                    advance(self._counts.total(), found.lines)
        except Malformed as error:
            raise Malformed(error.what, where=f"{self._source}: {error.where}", fix=error.fix) from None
        except IntegrityError as error:
            fault = error.what
        return self._summary(time.monotonic() - started, fault)

    def _questions(self, file: BinaryIO, found: FileDigest) -> Iterator[Question]:
        rows = read_rows(file, format_of(self._source))
        while True:
            with self._reading():
                row = next(rows, None)
            if row is None:
                return
            if isinstance(row, BadRow):
                self._bad_rows += 1
                self._on_bad_row(row)
                self._write(Result(request_id="", reference=row.reference, outcome="rejected"))
            else:
                yield Question(row.ask, key=f"{found.digest}:{row.line}")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Misconfigured(f"can't be read ({error.strerror})", where=str(self._source)) from None

    def _write(self, result: Result) -> None:
        self._counts[result.outcome] += 1
        self._unwitnessed += not result.witnessed
        self._writer.write(result)

    def _summary(self, seconds: float, fault: str) -> Summary:
        counts = self._counts
        return Summary(
            version=1,
            rows=counts.total(),
            **{outcome: counts[outcome] for outcome in get_args(Outcome)},
            bad_rows=self._bad_rows,
            seconds=round(seconds, 3),
            unwitnessed=self._unwitnessed,
            fault=fault,
        )


def format_of(path: Path) -> FileFormat:
    """By the file's name."""
    return "ndjson" if path.suffix in (".ndjson", ".jsonl") else "csv"
