"""Builds the register file from the record holder's extract, and puts it in place once it is complete."""

import contextlib
import fcntl
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from pathlib import Path

import msgspec
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.files import sync

from glomar_verifier.matching.addresses import AddressForm
from glomar_verifier.matching.match import RegisterRecord
from glomar_verifier.matching.rules import Rules
from glomar_verifier.readers.csv_rows import RowFault, chunks, read_header
from glomar_verifier.register import RegisterInfo
from glomar_verifier.register.build_workers import BUCKETS, CHUNK_BYTES, BuildJobs, WorkerPool, worker_pool
from glomar_verifier.register.digests import SectionDigest, bounds, digests, root, section_of
from glomar_verifier.register.extract import COLUMNS, REQUIRED
from glomar_verifier.register.left_out import LeftOutRows
from glomar_verifier.register.lookup import FORMAT, RegisterMeta
from glomar_verifier.register.open import is_server, require_driver
from glomar_verifier.register.shared_births import shared_births
from glomar_verifier.register.sqlite import SCHEMA, rows_between

MAX_CONTRADICTIONS = 200_000
# An interrupted draft is deleted, so it needs neither a journal nor syncs.
_UNJOURNALLED = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -65536;
"""

Progress = Callable[[int, int], None]
"""progress(done, of): reading the extract is three quarters of the work, sorting is the rest."""
StepProgress = Callable[[str, int, int], None]
"""progress(step, done, of)."""


class BuildReport(msgspec.Struct, frozen=True):
    """`faults` are the first of the `rows_left_out` (`left_out.MAX_FAULTS`); `digest` as in RegisterInfo."""

    people: int
    spells: int
    rows_left_out: int
    faults: tuple[RowFault, ...]
    digest: str


def build(
    source: Path,
    target: Path,
    rules: Rules,
    *,
    address_form: AddressForm = "us",
    progress: Progress | None = None,
    left_out: LeftOutRows | None = None,
    max_left_out: float = 1.0,
) -> BuildReport:
    """Writes `source` into a new file beside `target`, then replaces `target` in one step.

    Memory does not grow with the extract; the disk holds both registers meanwhile. A process that has the old
    register open keeps its rows until it opens the new one. `left_out` takes the rows that are left out; more
    than the share `max_left_out` of all rows stops the build. Raises Malformed (wrong header, no usable row,
    too many rows left out, or too many rows that contradict each other) or Misconfigured (not readable, not
    writable, changed meanwhile, or another build is running); then the old register stays."""
    if target.is_dir():
        raise Misconfigured("is a directory", where=str(target), fix="Name a file")
    header = tuple(read_header(source, COLUMNS, REQUIRED))
    try:
        with _locked_directory(target) as (directory, lock):
            draft, entries = directory / "register.db", directory / "entries"
            entries.mkdir(mode=0o700)
            jobs = BuildJobs(source, header, rules, address_form, secrets.token_bytes(32), entries)
            builder = _Builder(jobs, draft, lock, progress or (lambda done, of: None))
            report = builder.run(left_out or LeftOutRows(), max_left_out)
            _replace(draft, target)
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(
            "the register can't be written", where=str(target), fix="Check free space and permissions"
        ) from error
    return report


@contextlib.contextmanager
def _locked_directory(target: Path) -> Iterator[tuple[Path, int]]:
    """-> (an empty directory beside the target that only this user may read, the file descriptor of its
    lock). One build at a time. Files of a build that was killed are deleted."""
    parent = target.with_name(f".{target.name}.building")
    parent.mkdir(mode=0o700, exist_ok=True)
    with (parent / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                "another build of it is running", where=str(target), fix="Wait for it"
            ) from None
        try:
            directory = parent / "draft"
            if directory.exists():
                shutil.rmtree(directory)
            directory.mkdir(mode=0o700)
            yield directory, lock.fileno()
        finally:
            shutil.rmtree(parent)


def _replace(draft: Path, target: Path) -> None:
    """Durable once it returns. The content is synced first, then the name."""
    sync(draft)
    draft.replace(target)
    sync(target.parent)


class _Builder:
    """Writes the draft: records, then their contradictions, crowded places, postings and description."""

    def __init__(self, jobs: BuildJobs, draft: Path, lock: int, progress: Progress) -> None:
        self._jobs = jobs
        self._draft = draft
        self._lock = lock
        self._progress = progress
        self._stat = jobs.source.stat()
        self._work = self._stat.st_size * 4 // 3
        self._spells = self._postings = 0
        self._block: list[SectionDigest] = []
        self._births: Counter[int] = Counter()

    def run(self, left_out: LeftOutRows, max_left_out: float) -> BuildReport:
        # Created with mode 0600 first, so that personal data is never in a file that others can read.
        os.close(os.open(self._draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(self._draft, isolation_level=None)) as database:
            database.executescript(SCHEMA + _UNJOURNALLED)
            database.execute("BEGIN")
            with worker_pool(self._jobs, self._stat.st_size, self._lock) as workers:
                self._add_records(database, workers, left_out)
                people, deleted = self._delete_contradictions(database, workers, left_out)
                if not self._spells:
                    raise _no_usable_row(left_out.faults, self._jobs.source)
                _require_few_left_out(left_out, self._spells, max_left_out, self._jobs.source)
                self._mark_crowded(database, workers, deleted)
                self._add_postings(database, workers, deleted)
            report = self._describe(database, people, left_out)
            database.execute("COMMIT")
        return report

    def _add_records(self, database: sqlite3.Connection, workers: WorkerPool, left_out: LeftOutRows) -> None:
        source = self._jobs.source
        for found in workers.each(BuildJobs.records, chunks(source, CHUNK_BYTES)):
            database.executemany("INSERT INTO spell VALUES (?, ?)", found.rows)
            self._spells += len(found.rows)
            left_out.add(found.faults)
            self._progress(found.end, self._work)
        now = source.stat()
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise Misconfigured("changed while it was read", where=str(source), fix="Build again")

    def _delete_contradictions(
        self, database: sqlite3.Connection, workers: WorkerPool, left_out: LeftOutRows
    ) -> tuple[int, frozenset[int]]:
        """-> (how many people keep a row, the lines of rows that contradict another row of their person)."""
        people = 0
        lines: set[int] = set()
        for number, faults, births in workers.each(BuildJobs.contradictions, range(BUCKETS)):
            people += number
            self._births.update(births)
            lines.update(fault.line for fault in faults)
            if len(lines) > MAX_CONTRADICTIONS:
                raise Malformed(
                    f"more than {MAX_CONTRADICTIONS} rows contradict others of their person_id",
                    where=str(self._jobs.source),
                    fix="Check that each person_id is of one person",
                )
            left_out.add(faults)
        database.executemany("DELETE FROM spell WHERE id = ?", ((line,) for line in lines))
        self._spells -= len(lines)
        return people, frozenset(lines)

    def _mark_crowded(
        self, database: sqlite3.Connection, workers: WorkerPool, left_out: frozenset[int]
    ) -> None:
        decode, encode = msgspec.msgpack.Decoder(RegisterRecord).decode, msgspec.msgpack.encode
        for lines in workers.each(BuildJobs.crowded, zip(range(BUCKETS), repeat(left_out))):
            for line in sorted(lines):
                (fields,) = database.execute("SELECT fields FROM spell WHERE id = ?", (line,)).fetchone()
                marked = encode(msgspec.structs.replace(decode(fields), crowded=True))
                database.execute("UPDATE spell SET fields = ? WHERE id = ?", (marked, line))

    def _add_postings(
        self, database: sqlite3.Connection, workers: WorkerPool, left_out: frozenset[int]
    ) -> None:
        start, each = self._stat.st_size, (self._work - self._stat.st_size) // BUCKETS
        jobs = zip(range(BUCKETS), repeat(left_out))
        for done, found in enumerate(workers.each(BuildJobs.postings, jobs), start=1):
            database.executemany("INSERT INTO block VALUES (?, ?)", found.rows())
            self._postings += len(found.keys)
            self._block += found.sections
            self._progress(start + done * each, self._work)

    def _describe(self, database: sqlite3.Connection, people: int, left_out: LeftOutRows) -> BuildReport:
        spell = tuple(_spell_sections(database))
        digest, rules = root(spell), self._jobs.rules
        info = RegisterInfo(people, self._spells, digest, rules.version, rules.digest, self._jobs.form)
        meta = RegisterMeta(
            FORMAT,
            info,
            self._jobs.secret,
            self._postings,
            spell,
            tuple(self._block),
            shared_births(self._births, rules),
        )
        database.execute("INSERT INTO meta VALUES (1, ?)", (msgspec.msgpack.encode(meta),))
        faults = tuple(sorted(left_out.faults, key=lambda fault: fault.line))
        return BuildReport(people, self._spells, left_out.rows, faults, digest)


def _require_few_left_out(left_out: LeftOutRows, kept: int, most: float, source: Path) -> None:
    """A wrong column or date form makes most rows bad: then the register would deny most people."""
    rows = left_out.rows + kept
    if left_out.rows > most * rows:
        raise Malformed(
            f"{left_out.rows} of {rows} rows would be left out, more than {most:.1%}",
            where=str(source),
            fix="Correct the extract, or allow more with --max-left-out",
        )


def _no_usable_row(faults: list[RowFault], source: Path) -> Malformed:
    """The error names the fault of the first row, since most often all rows have the same fault."""
    what = "no usable row in the register's extract"
    if faults:
        first = min(faults, key=lambda fault: fault.line)
        what += f"; line {first.line}, {first.column or 'row'}: {first.what}"
    return Malformed(what, where=str(source))


def _spell_sections(database: sqlite3.Connection) -> Iterator[SectionDigest]:
    (last,) = database.execute("SELECT max(id) FROM spell").fetchone()
    for number in range(section_of("spell", last) + 1):
        yield from digests("spell", rows_between(database, "spell", *bounds("spell", number)))


def build_into(
    place: str,
    source: Path,
    rules: Rules,
    *,
    address_form: AddressForm = "us",
    progress: StepProgress | None = None,
    left_out: LeftOutRows | None = None,
    max_left_out: float = 1.0,
) -> BuildReport:
    """Builds a register at a place: a path, or a postgresql:// URL.

    For a server it is built in a private temporary directory (TMPDIR), then it is loaded.

    `left_out` and `max_left_out` as in `build`. Raises Malformed, Misconfigured, Unreachable; then the old
    register stays.
    """
    build_file = partial(
        build, source, rules=rules, address_form=address_form, left_out=left_out, max_left_out=max_left_out
    )
    report_progress = progress or (lambda step, done, of: None)

    def building(done: int, of: int) -> None:
        report_progress("building", done, of)

    if not is_server(place):
        return build_file(Path(place), progress=building)
    require_driver()
    from glomar_verifier.register.postgres_load import load
    from glomar_verifier.register.postgres_rows import connect

    # Fails now, and not after minutes of building.
    connect(place, reading=True).close()
    with tempfile.TemporaryDirectory(prefix="glomar-register-") as directory:
        built = Path(directory) / "register.db"
        report = build_file(built, progress=building)
        load(built, place, lambda done, of: report_progress("loading", done, of))
    return report
