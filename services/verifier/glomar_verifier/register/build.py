"""Builds the register file from the record holder's CSV extract, and puts it in place only when whole.
`glomar-verifier register build` and `glomar up` call it."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from glomar_schemas.errors import Malformed, Misconfigured

from glomar_verifier.blocking import block_keys, keyed_hash, place_key
from glomar_verifier.match import Record
from glomar_verifier.normalise import AddressForm
from glomar_verifier.register import RegisterInfo
from glomar_verifier.register.extract import COLUMNS, REQUIRED, read_record
from glomar_verifier.register.rows import Row, RowFault, read_rows
from glomar_verifier.register.sqlite import FORMAT, SCHEMA, Meta, content_digest
from glomar_verifier.rules import Rules

FAULTS_KEPT = 1_000
_BATCH = 5_000
_UNJOURNALLED = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"

Progress = Callable[[int, int], None]


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

    `progress(rows, bytes)` is called about every 5,000 rows. A register that is open elsewhere keeps
    serving its old rows until it is opened again. Raises Malformed (wrong header, or no usable row),
    Misconfigured (unreadable or unwritable); whatever is raised, the old register stays.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        draft.unlink(missing_ok=True)
        # Created by us first, so that personal data is never in a file that others can read.
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as database:
            report = _Builder(database, rules, address_form).run(source, progress)
        _put_in_place(draft, target)
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(
            "the register can't be written", where=str(target), fix="Check free space and permissions"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return report


def _put_in_place(draft: Path, target: Path) -> None:
    """Durable once it returns: first the rows, then the name."""
    _sync(draft)
    draft.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Builder:
    """Owns the draft from schema to digest. No journal and no syncs: an interrupted draft is thrown away."""

    def __init__(self, database: sqlite3.Connection, rules: Rules, form: AddressForm) -> None:
        self._database = database
        self._rules = rules
        self._form: AddressForm = form
        self._secret = secrets.token_bytes(32)
        self._spells = 0
        self._left_out = 0
        self._faults: list[RowFault] = []

    def run(self, source: Path, progress: Progress | None) -> BuildReport:
        database = self._database
        database.executescript(_UNJOURNALLED)
        database.executescript(SCHEMA)
        # Only keyed hashes go into the temporary tables, which SQLite keeps outside the draft.
        database.execute("CREATE TEMP TABLE filing (key64 INTEGER, id INTEGER)")
        database.execute("CREATE TEMP TABLE resident (place64 INTEGER, person64 INTEGER, id INTEGER)")
        database.execute("BEGIN")
        for batch in self._batches(source, progress):
            self._insert(batch)
        if not self._spells:
            raise Malformed("no usable row in the register's extract", where=str(source))
        database.execute("INSERT OR IGNORE INTO block SELECT key64, id FROM filing ORDER BY key64, id")
        self._mark_crowded()
        report = self._describe()
        database.execute("COMMIT")
        return report

    def _batches(self, source: Path, progress: Progress | None) -> Iterator[list[Record]]:
        batch: list[Record] = []
        for row in read_rows(source, COLUMNS, REQUIRED):
            record = read_record(row, self._rules, self._form) if isinstance(row, Row) else row
            if isinstance(record, RowFault):
                self._left_out += 1
                if len(self._faults) < FAULTS_KEPT:
                    self._faults.append(record)
                continue
            batch.append(record)
            if len(batch) == _BATCH:
                yield batch
                batch = []
                if progress and isinstance(row, Row):
                    progress(self._spells + self._left_out, row.position)
        yield batch

    def _insert(self, batch: list[Record]) -> None:
        encode, first = msgspec.msgpack.encode, self._spells + 1
        numbered = list(enumerate(batch, start=first))
        self._database.executemany(
            "INSERT INTO spell VALUES (?, ?, ?, ?)",
            [(number, record.from_year, record.to_year, encode(record)) for number, record in numbered],
        )
        self._database.executemany(
            "INSERT INTO filing VALUES (?, ?)",
            [
                (key, number)
                for number, record in numbered
                for key in block_keys(record.name, record.address, record.date_of_birth, self._secret)
            ],
        )
        self._database.executemany(
            "INSERT INTO resident VALUES (?, ?, ?)",
            [
                (place_key(record.address, self._secret), keyed_hash(record.person_id, self._secret), number)
                for number, record in numbered
            ],
        )
        self._spells += len(batch)

    def _mark_crowded(self) -> None:
        crowded = self._database.execute(
            "SELECT s.id, s.fields FROM resident AS r JOIN spell AS s ON s.id = r.id WHERE r.place64 IN "
            "(SELECT place64 FROM resident GROUP BY place64 HAVING count(DISTINCT person64) >= ?)",
            (self._rules.crowded_people,),
        ).fetchall()
        decode = msgspec.msgpack.Decoder(Record).decode
        self._database.executemany(
            "UPDATE spell SET fields = ? WHERE id = ?",
            [
                (msgspec.msgpack.encode(msgspec.structs.replace(decode(fields), crowded=True)), number)
                for number, fields in crowded
            ],
        )

    def _describe(self) -> BuildReport:
        (people,) = self._database.execute("SELECT count(DISTINCT person64) FROM resident").fetchone()
        digest = content_digest(self._database)
        info = RegisterInfo(people, self._spells, digest, self._rules.version, self._rules.digest, self._form)
        meta = msgspec.msgpack.encode(Meta(FORMAT, info, self._secret))
        self._database.execute("INSERT INTO meta VALUES (1, ?)", (meta,))
        return BuildReport(people, self._spells, self._left_out, tuple(self._faults), digest)
