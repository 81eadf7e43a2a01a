"""The register in one SQLite file, opened read-only; any number of processes may hold it.
The verifier's service and `match` open it; `build` is the only writer, and never in place."""

import sqlite3
from hashlib import blake2b
from pathlib import Path

import msgspec
from glomar_schemas.errors import IntegrityError, Misconfigured

from glomar_verifier.blocking import block_keys
from glomar_verifier.match import Candidates, Query, Record
from glomar_verifier.register import RegisterInfo
from glomar_verifier.rules import Rules

APPLICATION_ID = 0x474C4D52  # "GLMR"
FORMAT = 2

# Ids run from 1 without gaps. `fields` is a msgpack Record. A lookup walks block's own tree, then spell's.
SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE spell (
    id INTEGER PRIMARY KEY, from_year INTEGER NOT NULL, to_year INTEGER NOT NULL, fields BLOB NOT NULL);
CREATE TABLE block (key64 INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (key64, id)) WITHOUT ROWID;
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), content BLOB NOT NULL);
"""

_CANDIDATES = """
SELECT b.id, s.fields FROM json_each(?) AS k
CROSS JOIN block AS b ON b.key64 = k.value CROSS JOIN spell AS s ON s.id = b.id
WHERE s.from_year <= ? AND s.to_year >= ? LIMIT ?
"""


class Meta(msgspec.Struct, frozen=True):
    """The file's only row about itself; `secret` keys its block hashes and is random for each build."""

    format: int
    info: RegisterInfo
    secret: bytes


class SqliteRegister:
    """See `Register`. Open with `open_register`."""

    def __init__(self, database: sqlite3.Connection, meta: Meta, block_cap: int) -> None:
        self._database = database
        self._meta = meta
        self._block_cap = block_cap
        self._decoder = msgspec.msgpack.Decoder(Record)
        self._keys = msgspec.json.Encoder()

    def candidates(self, query: Query) -> Candidates:
        """Raises IntegrityError if the file is damaged."""
        if not query.tax_periods:
            return Candidates(())
        filed = block_keys(query.name, query.address, query.date_of_birth, self._meta.secret)
        keys = self._keys.encode(list(filed)).decode()
        years = (max(query.tax_periods), min(query.tax_periods))
        try:
            rows = self._database.execute(_CANDIDATES, (keys, *years, self._block_cap + 1)).fetchall()
            # A spell comes once for each key it shares.
            records = tuple(self._decoder.decode(fields) for fields in dict(rows).values())
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            raise IntegrityError("the register is damaged", where="block or spell", fix=_REBUILD) from error
        return Candidates(records, complete=len(rows) <= self._block_cap)

    def info(self) -> RegisterInfo:
        return self._meta.info

    def verify(self) -> None:
        """Read every row and compare with the digest of the build. Raises IntegrityError."""
        if content_digest(self._database) != self._meta.info.digest:
            raise IntegrityError("the rows are not those of the build", where="register", fix=_REBUILD)

    def close(self) -> None:
        self._database.close()


_REBUILD = "Build it again: glomar-verifier register build"


def open_register(path: Path, rules: Rules) -> SqliteRegister:
    """Checks that the file is whole, ours, complete and built with these rules, in constant time.

    Raises Misconfigured (absent, not a register, other rules) or IntegrityError (truncated, damaged).
    """
    _check_header(path)
    # immutable: nobody writes into a finished register, a new build replaces the file. So no locks.
    database = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
    )
    try:
        return SqliteRegister(database, _checked_meta(database, path, rules), rules.block_cap)
    except BaseException:
        database.close()
        raise


def _check_header(path: Path) -> None:
    """SQLite file format, section 1.3: what the first 100 bytes promise against the file's real size."""
    try:
        with path.open("rb") as file:
            header, size = file.read(100), path.stat().st_size
    except OSError as error:
        raise Misconfigured("no readable register", where=str(path), fix=_REBUILD) from error
    if len(header) < 100 or header[:16] != b"SQLite format 3\0":
        raise Misconfigured("not a register file", where=str(path), fix=_REBUILD)
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise Misconfigured("a SQLite file, but not a register", where=str(path), fix=_REBUILD)
    page_bytes = int.from_bytes(header[16:18], "big")
    if int.from_bytes(header[28:32], "big") * (65_536 if page_bytes == 1 else page_bytes) != size:
        raise IntegrityError("the register is truncated", where=str(path), fix=_REBUILD)


def _checked_meta(database: sqlite3.Connection, path: Path, rules: Rules) -> Meta:
    try:
        (content,) = database.execute("SELECT content FROM meta").fetchone()
        meta = msgspec.msgpack.decode(content, type=Meta)
        (last_id,) = database.execute("SELECT coalesce(max(id), 0) FROM spell").fetchone()
    except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError) as error:
        raise IntegrityError("the register is damaged", where=str(path), fix=_REBUILD) from error
    if meta.format != FORMAT:
        raise Misconfigured("a register of another format", where=str(path), fix=_REBUILD)
    if last_id != meta.info.spells:
        raise IntegrityError("rows are missing from the register", where=str(path), fix=_REBUILD)
    if (meta.info.rules_version, meta.info.rules_digest) != (rules.version, rules.digest):
        raise Misconfigured("built with other rules than this verifier's", where=str(path), fix=_REBUILD)
    return meta


def content_digest(database: sqlite3.Connection) -> str:
    """BLAKE2b-256 over (id, length, fields) of every spell in order of id, in hex."""
    digest = blake2b(digest_size=32)
    for number, fields in database.execute("SELECT id, fields FROM spell ORDER BY id"):
        digest.update(number.to_bytes(8, "big") + len(fields).to_bytes(4, "big") + fields)
    return digest.hexdigest()
