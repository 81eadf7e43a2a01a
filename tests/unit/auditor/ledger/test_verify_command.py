"""`glomar-auditor verify` on a wrong, foreign or unreadable directory: one line, an exit code."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.cli import app
from glomar_auditor.ledger.ledger import Ledger
from glomar_runtime.cli import run_cli
from glomar_schemas.tlog.note import Checkpoint, sign

from tests.unit.auditor.ledger.test_fsck import LOG, ORIGIN, SIGNER, write_ledger

SIZE = 300
USAGE, INTEGRITY = 2, 6

Spoil = Callable[[Path], object]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return write_ledger(tmp_path / "ledger", SIZE)


@pytest.fixture
def vkey(ledger: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(ledger / "log.vkey", tmp_path / "trusted.vkey"))


def run(directory: Path, vkey: Path, *options: str) -> int:
    with pytest.raises(SystemExit) as ended:
        run_cli(app, ["verify", str(directory), "--vkey", str(vkey), *options])
    return int(ended.value.code or 0)


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("glomar-auditor: ") and said.err.count("\n") == 1
    return said.err


def other_log(directory: Path) -> None:
    shutil.rmtree(directory)
    log = Ledger.open(directory, Ed25519PrivateKey.from_private_bytes(bytes(32)), ORIGIN)
    log.append(LOG[:SIZE])
    log.close()


def other_log_without_key(directory: Path) -> None:
    other_log(directory)
    (directory / "log.vkey").unlink()


def from_the_future(directory: Path) -> None:
    note = sign(Checkpoint(ORIGIN, 10**6, bytes(32)), SIGNER)
    (directory / "checkpoint").write_text(note, encoding="utf-8", newline="\n")


def unreadable(directory: Path) -> None:
    """Root reads every file, so a directory in its place stands for an unreadable file."""
    (directory / "tile/entries/000").unlink()
    (directory / "tile/entries/000").mkdir()


def test_a_proved_ledger_is_reported_on_stdout(
    ledger: Path, vkey: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(ledger, vkey) == 0
    assert f"{SIZE} entries" in capsys.readouterr().out
    assert run(ledger, vkey, "--json") == 0
    assert json.loads(capsys.readouterr().out).items() >= {"version": 1, "size": SIZE}.items()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (other_log, "log.vkey: not the key you trust"),
        (other_log_without_key, "checkpoint: no valid checkpoint: no signature"),
        (from_the_future, "tile/entries/001: the file is missing"),
        (unreadable, "tile/entries/000: can't be read"),
        (lambda d: (d / "checkpoint").unlink(), "checkpoint: no valid checkpoint: it is missing"),
        (lambda d: (d / "checkpoint").write_bytes(b"\xff"), "checkpoint: no valid checkpoint"),
        (lambda d: (d / "checkpoint").write_bytes(b""), "checkpoint: no valid checkpoint: not a text"),
        (lambda d: shutil.rmtree(d / "tile"), "tile/entries/000: the file is missing"),
        (lambda d: (d / "tile/0/000").write_bytes(b""), "tile/0/000: 0 bytes, not 256 hashes"),
    ],
)
def test_a_ledger_that_contradicts_itself_or_the_key_ends_with_6(
    ledger: Path, vkey: Path, spoil: Spoil, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(ledger)
    assert run(ledger, vkey) == INTEGRITY
    assert named in refusal(capsys)


def test_what_is_no_ledger_or_no_key_is_a_mistake_in_usage(
    ledger: Path, vkey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for directory, key, named in (
        (tmp_path / "none", vkey, "no such directory"),
        (vkey, vkey, "neither a ledger nor an archive"),
        (tmp_path / "empty", vkey, "not a ledger"),
        (ledger / "tile", vkey, "not a ledger"),
        (ledger, tmp_path / "none", "public key can't be read"),
        (ledger, tmp_path, "public key can't be read"),
        (ledger, ledger / "checkpoint", "not a log's public key"),
        (ledger, ledger / "tile/0/000", "not a log's public key"),
    ):
        assert run(directory, key) == USAGE
        assert named in refusal(capsys)
