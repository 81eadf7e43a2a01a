"""The tables of the store, and how an older file becomes one of this version. Called by `Store`.

What is deleted is overwritten (secure_delete), since an answer that was recalled or has expired must be gone.
"""

import os
import sqlite3
from pathlib import Path

from glomar_schemas.errors import Misconfigured
from glomar_schemas.tlog.inclusion_tables import TABLES

VERSION = 2
BUSY_MS = 10_000

# FULL: what is told to be durable is. A checkpoint writes pages all over the file and syncs it, so it comes
# once in 40 MB of log and not, as by default, in 4.
_PRAGMAS = (
    f"busy_timeout = {BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "secure_delete = ON",
    "wal_autocheckpoint = 10000",
)
_FROM_NOTHING = """
CREATE TABLE asked (
  request_id TEXT PRIMARY KEY,
  reference TEXT NOT NULL,
  key TEXT UNIQUE,
  fingerprint BLOB NOT NULL,
  digest TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  expires_at REAL NOT NULL,
  body BLOB NOT NULL
);
CREATE TABLE outbox (request_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE published (request_id TEXT PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;
CREATE TABLE answered (request_id TEXT PRIMARY KEY, release BLOB NOT NULL)"""
# kept_until: NULL in rows of version 1, until the client has looked into their answer.
# told: request_id is NULL in a control's row. withdrawn: ack is NULL until the answer's bytes are gone.
_FROM_1 = """
ALTER TABLE answered ADD COLUMN kept_until REAL;
CREATE INDEX answered_until ON answered (kept_until);
CREATE TABLE told (
  number INTEGER PRIMARY KEY,
  sequence INTEGER NOT NULL UNIQUE,
  request_id TEXT,
  cause TEXT NOT NULL,
  recalled_at REAL,
  notice BLOB NOT NULL
);
CREATE TABLE told_through (sequence INTEGER NOT NULL);
INSERT INTO told_through VALUES (0);
CREATE TABLE withdrawn (
  request_id TEXT PRIMARY KEY,
  cause TEXT NOT NULL,
  ack BLOB,
  acked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX withdrawn_open ON withdrawn (request_id) WHERE NOT acked;
PRAGMA user_version = 2"""
_STEPS = {0: (_FROM_NOTHING, _FROM_1), 1: (_FROM_1,), VERSION: ()}


def open_database(path: Path) -> sqlite3.Connection:
    """Opens, creates or migrates the file, readable by its owner alone. Raises Misconfigured."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        # Two processes may open the file at the same time: the first to hold the lock makes the tables.
        database.execute("BEGIN IMMEDIATE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        for step in _STEPS.get(version, ()):
            for statement in step.split(";\n"):
                database.execute(statement)
        for statement in TABLES:
            database.execute(statement)
        database.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(f"can't be opened ({error})", where=str(path)) from None
    if version not in _STEPS:
        raise Misconfigured("written by another version of this program", where=str(path))
    return database
