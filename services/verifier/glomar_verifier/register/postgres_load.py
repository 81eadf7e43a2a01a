"""Loads a register file into a new schema of PostgreSQL and puts it in force, in one transaction. Until then,
lookups read the register in force."""

import sqlite3
import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import msgspec
import psycopg
from glomar_schemas.errors import Misconfigured, Unreachable
from psycopg import sql

from glomar_verifier.matching.match import RegisterRecord
from glomar_verifier.register.index_entries import ids_of
from glomar_verifier.register.postgres import zip_prefix
from glomar_verifier.register.postgres_rows import connect, in_schema, label, schema_of

_LOCK = 0x474C4D52
_PARTITIONS = 10
_CONTROL = """
CREATE SCHEMA IF NOT EXISTS glomar_register;
CREATE TABLE IF NOT EXISTS glomar_register.build (number integer PRIMARY KEY, content bytea NOT NULL);
"""
_TABLES = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.spell (
    zip3 smallint NOT NULL, id bigint NOT NULL, fields bytea NOT NULL) PARTITION BY RANGE (zip3);
CREATE TABLE {schema}.block (
    zip3 smallint NOT NULL, key64 bigint NOT NULL, ids bytea NOT NULL) PARTITION BY RANGE (zip3);
"""
# The contents do not compress: EXTERNAL stores them as they are.
_PARTITION = """
CREATE TABLE {schema}.{part} PARTITION OF {schema}.{table} FOR VALUES FROM ({first}) TO ({end});
ALTER TABLE {schema}.{part} ALTER COLUMN {packed} SET STORAGE EXTERNAL;
"""
_INDEXES = """
CREATE INDEX ON {schema}.spell (id);
CREATE INDEX ON {schema}.block (key64);
ANALYZE {schema}.spell;
ANALYZE {schema}.block;
"""
# PostgreSQL 15, section "COPY", Binary Format.
_COPY_HEAD, _COPY_TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_ROW = struct.Struct(">hihiqi")  # three fields: int2, int8, and bytes that follow
_WRITE_BYTES = 1 << 20

Progress = Callable[[int, int], None]


def load(file: Path, url: str, progress: Progress | None = None) -> None:
    """Loads the whole file, or nothing. The previous register stays until the next load, for verifiers that
    still read it.

    `progress(done, of)` counts bytes. Raises Misconfigured (no permission, no space, another load is running)
    or Unreachable; then the register in force stays.
    """
    where = label(url)
    try:
        with closing(sqlite3.connect(file)) as source, connect(url, reading=False) as target:
            _load(source, target, where, progress or (lambda done, of: None))
    except psycopg.errors.InsufficientPrivilege:
        raise Misconfigured(
            "this user may not create schemas there", where=where, fix="GRANT CREATE ON DATABASE … TO …"
        ) from None
    except psycopg.OperationalError as error:
        if error.sqlstate is None:
            raise Unreachable("the PostgreSQL server went away", where=where) from None
        raise Misconfigured(
            "the register can't be loaded",
            where=where,
            fix=f"SQLSTATE {error.sqlstate}; see the server's log",
        ) from None


def _load(source: sqlite3.Connection, target: psycopg.Connection, where: str, progress: Progress) -> None:
    if not _one(target, "SELECT pg_try_advisory_xact_lock(%s)::int", _LOCK):
        raise Misconfigured("another build of it is running", where=where, fix="Wait for it")
    target.execute(_CONTROL)
    before = _one(target, "SELECT coalesce(max(number), 0) FROM glomar_register.build")
    number = before + 1
    _create(target, number)
    _fill(source, target, number, progress)
    target.execute(in_schema(_INDEXES, number))
    (content,) = source.execute("SELECT content FROM meta").fetchone()
    target.execute("INSERT INTO glomar_register.build VALUES (%s, %s)", (number, content))
    # Last, since readers of these rows and schemas wait until the transaction ends.
    deleted = target.execute(
        "DELETE FROM glomar_register.build WHERE number < %s RETURNING number", (before,)
    )
    for (old,) in deleted.fetchall():
        target.execute(in_schema("DROP SCHEMA {schema} CASCADE", old))


def _create(target: psycopg.Connection, number: int) -> None:
    target.execute(in_schema(_TABLES, number))
    for table, packed in (("spell", "fields"), ("block", "ids")):
        for n in range(_PARTITIONS):
            names = {"part": f"{table}_{n}", "table": table, "packed": packed}
            bounds = {"first": sql.Literal(n * 100), "end": sql.Literal((n + 1) * 100)}
            schema = sql.Identifier(schema_of(number))
            target.execute(
                sql.SQL(_PARTITION).format(
                    schema=schema, **{name: sql.Identifier(word) for name, word in names.items()}, **bounds
                )
            )


def _fill(source: sqlite3.Connection, target: psycopg.Connection, number: int, progress: Progress) -> None:
    (last_id,) = source.execute("SELECT max(id) FROM spell").fetchone()
    # Two bytes a spell. The partition of a posting is that of its first spell.
    prefixes = array("h", bytes(2 * (last_id + 1)))
    tables = (
        ("COPY {schema}.spell FROM STDIN (FORMAT BINARY)", _spells(source, prefixes)),
        ("COPY {schema}.block FROM STDIN (FORMAT BINARY)", _blocks(source, prefixes)),
    )
    size = (
        source.execute("PRAGMA page_count").fetchone()[0] * source.execute("PRAGMA page_size").fetchone()[0]
    )
    done = 0
    for statement, rows in tables:
        with target.cursor().copy(in_schema(statement, number)) as copy:
            for content in _batches(rows):
                copy.write(content)
                done += len(content)
                progress(done, max(done, size))


def _spells(source: sqlite3.Connection, prefixes: "array[int]") -> Iterator[bytes]:
    decode, pack = msgspec.msgpack.Decoder(RegisterRecord).decode, _ROW.pack
    for number, fields in source.execute("SELECT id, fields FROM spell"):
        prefix = prefixes[number] = zip_prefix(decode(fields).address.zip5)
        yield pack(3, 2, prefix, 8, number, len(fields)) + fields


def _blocks(source: sqlite3.Connection, prefixes: "array[int]") -> Iterator[bytes]:
    pack = _ROW.pack
    for key, ids in source.execute("SELECT key64, ids FROM block"):
        yield pack(3, 2, prefixes[ids_of(ids[:4])[0]], 8, key, len(ids)) + ids


def _batches(rows: Iterable[bytes]) -> Iterator[bytes]:
    pending, size = [_COPY_HEAD], len(_COPY_HEAD)
    for row in rows:
        pending.append(row)
        size += len(row)
        if size >= _WRITE_BYTES:
            yield b"".join(pending)
            pending, size = [], 0
    yield b"".join([*pending, _COPY_TAIL])


def _one(target: psycopg.Connection, statement: LiteralString, *values: int) -> int:
    found = target.execute(statement, values or None).fetchone()
    assert found is not None  # an aggregate or a function has one row
    return int(found[0])
