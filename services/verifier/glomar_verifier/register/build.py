"""Builds the register file from the record holder's CSV extract, and puts it in place only when whole.
`glomar-verifier register build` and `glomar up` call it."""

import contextlib
import fcntl
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import msgspec
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.files import sync

from glomar_verifier.matching.match import Record
from glomar_verifier.matching.normalise import AddressForm
from glomar_verifier.matching.rules import Rules
from glomar_verifier.readers.csv_rows import RowFault, chunks, read_header
from glomar_verifier.register import RegisterInfo
from glomar_verifier.register.build_workers import CHUNK_BYTES, Crew, Intake, crew
from glomar_verifier.register.digests import Section, bounds, digests, root, section_of
from glomar_verifier.register.external_sort import BUCKETS
from glomar_verifier.register.extract import COLUMNS, REQUIRED
from glomar_verifier.register.lookup import FORMAT, Meta
from glomar_verifier.register.sqlite import SCHEMA, rows_between

FAULTS_KEPT = 1_000
MAX_CONTRADICTIONS = 200_000
_UNJOURNALLED = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -65536;
"""

Progress = Callable[[int, int], None]
"""progress(done, of): the extract's bytes are most of it, the sorting afterwards the rest."""


class BuildReport(msgspec.Struct, frozen=True):
    """`faults` are the first FAULTS_KEPT of `rows_left_out`; `digest` as in RegisterInfo."""

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
) -> BuildReport:
    """Stream `source` into a new file beside `target`, then replace `target` in one step.

    Memory doesn't grow with the extract; the disk holds twice the register meanwhile. A register that is
    open elsewhere keeps serving its old rows until it is opened again. Raises Malformed (wrong header, no
    usable row, or rows that contradict each other in masses), Misconfigured (unreadable, unwritable, changed
    meanwhile, or another build at work); whatever is raised, the old register stays.
    """
    if target.is_dir():
        raise Misconfigured("is a directory", where=str(target), fix="Name a file")
    header = tuple(read_header(source, COLUMNS, REQUIRED))
    try:
        with _workplace(target) as place:
            draft, entries = place / "register.db", place / "entries"
            entries.mkdir(mode=0o700)
            intake = Intake(source, header, rules, address_form, secrets.token_bytes(32), entries)
            report = _Builder(intake, draft, progress or (lambda done, of: None)).run()
            _put_in_place(draft, target)
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(
            "the register can't be written", where=str(target), fix="Check free space and permissions"
        ) from error
    return report


@contextlib.contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """A directory beside the target that only we may read, and one build at a time; what a build that was
    killed left there goes first."""
    place = target.with_name(f".{target.name}.building")
    place.mkdir(mode=0o700, exist_ok=True)
    with (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                "another build of it is at work", where=str(target), fix="Wait for it"
            ) from None
        try:
            inside = place / "draft"
            if inside.exists():
                shutil.rmtree(inside)
            inside.mkdir(mode=0o700)
            yield inside
        finally:
            shutil.rmtree(place)


def _put_in_place(draft: Path, target: Path) -> None:
    """Durable once it returns: first the rows, then the name."""
    sync(draft)
    draft.replace(target)
    sync(target.parent)


class _Builder:
    """Owns the draft from schema to digest. No journal and no syncs: an interrupted draft is thrown away."""

    def __init__(self, intake: Intake, draft: Path, progress: Progress) -> None:
        self._intake = intake
        self._draft = draft
        self._progress = progress
        self._stat = intake.source.stat()
        self._work = self._stat.st_size * 4 // 3
        self._spells = self._postings = self._left_out = 0
        self._block: list[Section] = []
        self._faults: list[RowFault] = []

    def run(self) -> BuildReport:
        # Created by us first, so that personal data is never in a file that others can read.
        os.close(os.open(self._draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(self._draft, isolation_level=None)) as database:
            database.executescript(SCHEMA + _UNJOURNALLED)
            database.execute("BEGIN")
            with crew(self._intake, self._stat.st_size) as workers:
                self._take_in(database, workers)
                people, left_out = self._judge(database, workers)
                if not self._spells:
                    raise _nothing_usable(self._faults, self._intake.source)
                self._mark_crowded(database, workers, left_out)
                self._file(database, workers, left_out)
            report = self._describe(database, people)
            database.execute("COMMIT")
        return report

    def _take_in(self, database: sqlite3.Connection, workers: Crew) -> None:
        source = self._intake.source
        for found in workers.each(Intake.spells, chunks(source, CHUNK_BYTES)):
            database.executemany("INSERT INTO spell VALUES (?, ?)", found.rows)
            self._spells += len(found.rows)
            self._leave_out(found.faults)
            self._progress(found.end, self._work)
        now = source.stat()
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise Misconfigured("changed while it was read", where=str(source), fix="Build again")

    def _leave_out(self, faults: list[RowFault]) -> None:
        self._left_out += len(faults)
        self._faults += faults[: FAULTS_KEPT - len(self._faults)]

    def _judge(self, database: sqlite3.Connection, workers: Crew) -> tuple[int, frozenset[int]]:
        """-> the people that keep a row, and the lines whose rows contradict another one of their person."""
        people = 0
        lines: set[int] = set()
        for number, faults in workers.each(Intake.contradictions, range(BUCKETS)):
            people += number
            lines.update(fault.line for fault in faults)
            if len(lines) > MAX_CONTRADICTIONS:
                raise Malformed(
                    f"more than {MAX_CONTRADICTIONS} rows contradict others of their person_id",
                    where=str(self._intake.source),
                    fix="Check that person_id is one person's",
                )
            self._leave_out(faults)
        database.executemany("DELETE FROM spell WHERE id = ?", ((line,) for line in lines))
        self._spells -= len(lines)
        return people, frozenset(lines)

    def _mark_crowded(self, database: sqlite3.Connection, workers: Crew, left_out: frozenset[int]) -> None:
        decode, encode = msgspec.msgpack.Decoder(Record).decode, msgspec.msgpack.encode
        for lines in workers.each(Intake.crowded, zip(range(BUCKETS), repeat(left_out))):
            for line in sorted(lines):
                (fields,) = database.execute("SELECT fields FROM spell WHERE id = ?", (line,)).fetchone()
                marked = encode(msgspec.structs.replace(decode(fields), crowded=True))
                database.execute("UPDATE spell SET fields = ? WHERE id = ?", (marked, line))

    def _file(self, database: sqlite3.Connection, workers: Crew, left_out: frozenset[int]) -> None:
        start, each = self._stat.st_size, (self._work - self._stat.st_size) // BUCKETS
        jobs = zip(range(BUCKETS), repeat(left_out))
        for done, found in enumerate(workers.each(Intake.postings, jobs), start=1):
            database.executemany("INSERT INTO block VALUES (?, ?)", found.rows())
            self._postings += len(found.keys)
            self._block += found.sections
            self._progress(start + done * each, self._work)

    def _describe(self, database: sqlite3.Connection, people: int) -> BuildReport:
        spell = tuple(_spell_sections(database))
        digest, rules = root(spell), self._intake.rules
        info = RegisterInfo(people, self._spells, digest, rules.version, rules.digest, self._intake.form)
        meta = Meta(FORMAT, info, self._intake.secret, self._postings, spell, tuple(self._block))
        database.execute("INSERT INTO meta VALUES (1, ?)", (msgspec.msgpack.encode(meta),))
        faults = tuple(sorted(self._faults, key=lambda fault: fault.line))
        return BuildReport(people, self._spells, self._left_out, faults, digest)


def _nothing_usable(faults: list[RowFault], source: Path) -> Malformed:
    """With what is wrong with the first row, as it mostly is with all."""
    what = "no usable row in the register's extract"
    if faults:
        first = min(faults, key=lambda fault: fault.line)
        what += f"; line {first.line}, {first.column or 'row'}: {first.what}"
    return Malformed(what, where=str(source))


def _spell_sections(database: sqlite3.Connection) -> Iterator[Section]:
    (last,) = database.execute("SELECT max(id) FROM spell").fetchone()
    for number in range(section_of("spell", last) + 1):
        yield from digests("spell", rows_between(database, "spell", *bounds("spell", number)))
