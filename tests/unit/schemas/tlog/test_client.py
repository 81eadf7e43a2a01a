"""Reading a published log from a directory and over HTTP: all is checked against its signed checkpoint."""

import gc
import shutil
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import Ledger
from glomar_schemas.errors import GlomarError, Misconfigured, Unreachable, Untrusted
from glomar_schemas.tlog import leaf
from glomar_schemas.tlog.client import Forked, PublishedLog, signed_by, source
from glomar_schemas.tlog.inclusion_watch import absent
from glomar_schemas.tlog.layout import bundle_path, tile_path
from glomar_schemas.tlog.note import format_vkey, parse_vkey

from tests.support.published_ledger import OPENED, ORIGIN, SIGNER, extend, leaves, own, serve_ledger

SIZES = (1, 255, 256, 257, 600)


@contextmanager
def reading(where: str | Path) -> Iterator[PublishedLog]:
    with source(str(where)) as files:
        yield PublishedLog.read(files, OPENED)


def note_of(directory: Path) -> str:
    return (directory / "checkpoint").read_text(encoding="utf-8")


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_is_read_from_a_directory_and_over_http(tmp_path: Path, size: int) -> None:
    directory = extend(tmp_path / "ledger", leaves(size), size)
    with serve_ledger(directory) as url:
        for where in (directory, url):
            with reading(where) as log:
                entries = [entry for index in range((size + 255) // 256) for entry in log.bundle(index)]
            assert entries == [leaf.encode(each) for each in leaves(size)]


def test_an_empty_log_has_no_bundle(tmp_path: Path) -> None:
    with reading(extend(tmp_path / "ledger", [])) as log, pytest.raises(IndexError):
        log.bundle(0)


@pytest.mark.parametrize("older", (0, *SIZES))
def test_a_log_that_grew_extends_its_earlier_checkpoint(tmp_path: Path, older: int) -> None:
    directory = extend(tmp_path / "ledger", leaves(600), older)
    before = note_of(directory)
    extend(directory, leaves(600), 600)

    with reading(directory) as log:
        log.require_extends(before, OPENED)


@pytest.mark.parametrize("older", SIZES)
def test_a_log_with_another_past_is_forked(tmp_path: Path, older: int) -> None:
    before = note_of(extend(tmp_path / "one", leaves(600), older))
    other = extend(tmp_path / "other", leaves(600, changed=[older]), 600)

    with reading(other) as log, pytest.raises(Forked) as fork:
        log.require_extends(before, OPENED)
    assert fork.value.notes == (before, note_of(other))


def test_a_log_that_is_shorter_than_before_proves_nothing_yet(tmp_path: Path) -> None:
    before = note_of(extend(tmp_path / "one", leaves(600), 600))

    with reading(extend(tmp_path / "copy", leaves(600), 300)) as log, pytest.raises(Unreachable):
        log.require_extends(before, OPENED)


def test_a_partial_file_that_was_removed_is_read_from_the_full_one(tmp_path: Path) -> None:
    directory = extend(tmp_path / "ledger", leaves(600), 200)
    before = note_of(directory)
    extend(directory, leaves(600), 600)
    shutil.rmtree((directory / tile_path(0, 0, 200)).parent)
    shutil.rmtree((directory / bundle_path(0, 200)).parent)
    (directory / "checkpoint").write_text(before, encoding="utf-8")

    with reading(directory) as log:
        assert len(log.bundle(0)) == log.size == 200


@pytest.mark.parametrize(
    "path", [tile_path(0, 2, 88), tile_path(1, 0, 2), bundle_path(1), bundle_path(2, 88), Path("checkpoint")]
)
def test_a_changed_or_missing_file_is_noticed(tmp_path: Path, path: Path) -> None:
    directory = extend(tmp_path / "ledger", leaves(600), 600)

    def read() -> None:
        with reading(directory) as log:
            assert not absent(log, own(*range(1, 601)))

    read()
    content = (directory / path).read_bytes()
    for at in (0, len(content) // 2, len(content) - 1):
        damaged = bytearray(content)
        damaged[at] ^= 1
        (directory / path).write_bytes(damaged)
        with pytest.raises(GlomarError):
            read()
    (directory / path).write_bytes(content[:-32])
    with pytest.raises(GlomarError):
        read()
    (directory / path).unlink()
    with pytest.raises(Unreachable):
        read()


def test_a_log_of_another_key_is_not_believed(tmp_path: Path) -> None:
    Ledger.open(tmp_path, Ed25519PrivateKey.generate(), ORIGIN).close()

    with pytest.raises(Untrusted), reading(tmp_path):
        pass


def test_either_key_of_a_log_may_have_signed(tmp_path: Path) -> None:
    fresh = Ed25519PrivateKey.generate()
    keys = [parse_vkey(format_vkey(ORIGIN, fresh.public_key()))]
    directory = extend(tmp_path / "ledger", leaves(5), 5)

    with source(str(directory)) as files:
        with pytest.raises(Untrusted):
            PublishedLog.read(files, signed_by(keys))
        both = signed_by([*keys, parse_vkey(format_vkey(ORIGIN, SIGNER.public_key()))])
        assert PublishedLog.read(files, both).size == 5


@pytest.mark.parametrize(
    "url",
    ["ftp://a/log", "http://", "http://a:b/log", "http://user@a/log", "https://a/log?b", "http://a/log#b"],
)
def test_an_invalid_url_of_a_log_is_reported(url: str) -> None:
    with pytest.raises(Misconfigured), source(url):
        pass


def test_a_publication_that_is_away_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable), reading(f"http://127.0.0.1:{port}/log"):
        pass


def test_what_is_read_after_the_source_was_closed_leaves_no_connection_open(tmp_path: Path) -> None:
    """As a thread does whose task was cancelled."""
    directory = extend(tmp_path / "ledger", leaves(1), 1)
    with serve_ledger(directory) as url, warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", ResourceWarning)
        with source(url) as files:
            pass
        assert files.get("checkpoint")
        del files
        gc.collect()
    assert not found
