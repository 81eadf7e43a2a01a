"""The monitor continues only from what it proved, and stores both checkpoints of a forked log."""

import json
import shutil
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.cli import app
from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.monitoring.fork_evidence import check, of_fork, read
from glomar_auditor.monitoring.monitor import Growth, monitor
from glomar_runtime.cli import run_cli
from glomar_schemas.errors import IntegrityError, Misconfigured, Refused, Unreachable
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog.client import Directory, PublishedLog, signed_by, source
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.merkle import leaf_hash
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, format_vkey, open_checkpoint, parse_vkey, sign

from tests.unit.auditor.ledger.test_fsck import ENTRIES, KEY, LOG, ORIGIN, SIGNER, forge_ledger, write_ledger
from tests.unit.schemas.tlog.test_merkle import naive_consistency, naive_root

STRANGER = Leaf(1, 0, "glomar.a.request.r.other", bytes(32))


def run_monitor(directory: Path, state: Path, key: VerifierKey = KEY) -> Growth:
    return monitor(Directory(directory), key, state)


def stored(state: Path) -> Checkpoint:
    return open_checkpoint(state.read_bytes().decode(), KEY)


def rewritten(directory: Path, size: int) -> Path:
    """The same key signs another history: its first entry differs."""
    ledger = Ledger.open(directory, SIGNER, ORIGIN)
    ledger.append([STRANGER, *LOG[1:size]])
    ledger.close()
    return directory


def found(state: Path) -> Path:
    [file] = state.parent.glob(f"{state.name}.*.json")
    return file


def opened(state: Path) -> tuple[Checkpoint, Checkpoint]:
    """As an outsider does, with only the file and the published key."""
    return check(read(found(state)), KEY)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_ledger(tmp_path / "log", 300)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "stored" / "state"


def test_the_first_look_checks_every_entry_and_keeps_the_checkpoint(log: Path, state: Path) -> None:
    seen: list[tuple[int, int]] = []

    first = monitor(Directory(log), KEY, state, lambda done, size: seen.append((done, size)))

    assert (first.now.size, first.before) == (300, None)
    assert seen == [(256, 300), (300, 300)]
    assert state.read_bytes() == (log / "checkpoint").read_bytes()


@pytest.mark.parametrize("size", [301, 512, 513, 600])
def test_a_log_that_only_grew_is_proved_and_only_its_new_entries_are_read(
    log: Path, state: Path, size: int
) -> None:
    before = run_monitor(log, state).now
    write_ledger(log, size)
    if size > 512:
        (log / "tile/entries/000").unlink()

    seen = run_monitor(log, state)

    assert (seen.before, seen.now.size) == (before, size)
    assert stored(state) == seen.now


def test_an_empty_log_may_grow(tmp_path: Path, state: Path) -> None:
    assert run_monitor(write_ledger(tmp_path / "log"), state).now.size == 0
    assert run_monitor(write_ledger(tmp_path / "log", 3), state).now.size == 3


def test_nothing_new_changes_nothing(log: Path, state: Path) -> None:
    first = run_monitor(log, state)
    written = state.stat().st_mtime_ns

    assert run_monitor(log, state) == Growth(first.now, first.now)
    assert state.stat().st_mtime_ns == written


def test_two_roots_for_one_size_are_a_fork_and_both_notes_are_stored(
    log: Path, state: Path, tmp_path: Path
) -> None:
    before = run_monitor(log, state).now

    with pytest.raises(IntegrityError, match=r"rewritten.*state\.fork-300-"):
        run_monitor(rewritten(tmp_path / "other", 300), state)

    assert stored(state) == before
    older, newer = opened(state)
    assert (older, newer.size) == (before, 300)
    assert older.root != newer.root


@pytest.mark.parametrize("size", [256, 300])
def test_a_rewritten_log_that_grew_is_a_fork_with_the_proof_of_it(
    state: Path, tmp_path: Path, size: int
) -> None:
    before = run_monitor(write_ledger(tmp_path / "log", size), state).now

    with pytest.raises(IntegrityError, match=f"do not begin with the {size} before"):
        run_monitor(rewritten(tmp_path / "other", 600), state)

    assert stored(state) == before
    history = [leaf_hash(leaves.encode(STRANGER)), *map(leaf_hash, ENTRIES[1:])]
    evidence = read(found(state))
    assert b64decode(evidence.beginning) == naive_root(history[:size])
    assert [b64decode(each) for each in evidence.proof] == naive_consistency(size, history)
    older, newer = opened(state)
    assert (older, newer.root) == (before, naive_root(history))


def test_evidence_that_proves_nothing_is_refused(log: Path, state: Path, tmp_path: Path) -> None:
    run_monitor(log, state)
    with pytest.raises(IntegrityError):
        run_monitor(rewritten(tmp_path / "other", 600), state)
    good = read(found(state))
    honest = write_ledger(tmp_path / "log", 600)
    grown = (honest / "checkpoint").read_text(encoding="utf-8")
    log_of_600 = PublishedLog.read(Directory(honest), signed_by([KEY]))
    other = parse_vkey(format_vkey(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()))
    replace = msgspec.structs.replace
    for bad in (
        replace(good, newer=good.older),
        replace(good, older=good.newer),
        replace(good, newer=grown),
        replace(good, beginning=b64encode(bytes(32)).decode()),
        replace(good, proof=good.proof[1:]),
        replace(good, proof=()),
        replace(good, fault="rollback"),
        replace(good, older=good.older.replace("300", "301")),
        of_fork(KEY, good.older, open_checkpoint(good.older, KEY), log_of_600),
    ):
        with pytest.raises(Refused):
            check(bad, KEY)
    with pytest.raises(Refused):
        check(good, other)


def test_a_log_that_was_put_back_is_noticed(log: Path, state: Path, tmp_path: Path) -> None:
    write_ledger(tmp_path / "old", 299)
    before = run_monitor(log, state).now

    for _ in range(2):
        with pytest.raises(IntegrityError, match="ends at 299 entries, and 300 were signed before"):
            run_monitor(tmp_path / "old", state)

    assert stored(state) == before
    older, newer = opened(state)
    assert (read(found(state)).fault, older, newer.size) == ("rollback", before, 299)


def test_a_log_goes_on_after_a_copy_that_lagged(log: Path, state: Path, tmp_path: Path) -> None:
    run_monitor(log, state)
    with pytest.raises(IntegrityError):
        run_monitor(write_ledger(tmp_path / "old", 299), state)

    assert run_monitor(write_ledger(log, 310), state).now.size == 310


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda entries: [*entries[:4], entries[3]], "leaf 4: the entry has sequence 4"),
        (lambda entries: [*entries[:4], b"{}"], "leaf 4: the entry is not a canonical leaf"),
    ],
)
def test_a_new_entry_that_should_never_have_been_signed_is_noticed(
    tmp_path: Path, state: Path, change: Any, fault: str
) -> None:
    run_monitor(write_ledger(tmp_path / "log", 4), state)
    forged = tmp_path / "forged"
    forged.mkdir()

    with pytest.raises(IntegrityError, match=fault):
        run_monitor(forge_ledger(forged, change(ENTRIES[:4])), state)

    assert stored(state).size == 4


def test_an_entry_or_a_tile_that_is_not_what_was_signed_is_noticed(log: Path, state: Path) -> None:
    run_monitor(log, state)
    write_ledger(log, 600)
    for name in ("tile/entries/001", "tile/0/001", "tile/1/000.p/2", "tile/0/002.p/88"):
        content = (log / name).read_bytes()
        (log / name).write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
        with pytest.raises(IntegrityError):
            run_monitor(log, state)
        (log / name).write_bytes(content)
    assert stored(state).size == 300
    assert list(state.parent.glob("*.json")) == []


def test_a_checkpoint_from_the_future_proves_nothing_and_is_not_stored(log: Path, state: Path) -> None:
    run_monitor(log, state)
    (log / "checkpoint").write_text(sign(Checkpoint(ORIGIN, 10**6, bytes(32)), SIGNER), newline="\n")

    with pytest.raises(Unreachable, match="tile/0/"):
        run_monitor(log, state)

    assert stored(state).size == 300


def test_a_checkpoint_of_another_key_or_log_is_refused(log: Path, state: Path, tmp_path: Path) -> None:
    run_monitor(log, state)
    strangers = Ed25519PrivateKey.from_private_bytes(bytes(32))
    for signer, origin in ((strangers, ORIGIN), (SIGNER, "audit.example/agreement-2/1")):
        (log / "checkpoint").write_text(sign(Checkpoint(origin, 300, bytes(32)), signer), newline="\n")
        with pytest.raises(IntegrityError, match="not a checkpoint that the key you trust signed"):
            run_monitor(log, state)
    assert stored(state).size == 300


def test_the_stored_checkpoint_is_accepted_only_under_the_key(log: Path, state: Path) -> None:
    run_monitor(log, state)
    content = state.read_bytes()
    other = parse_vkey(format_vkey(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()))
    with pytest.raises(IntegrityError, match="not a checkpoint that this key signed"):
        run_monitor(log, state, other)
    for place in range(0, len(content), 7):
        state.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(IntegrityError, match="not a checkpoint that this key signed"):
            run_monitor(log, state)


def test_a_state_that_cannot_be_stored_is_reported(log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured, match=r"can't be (read|written)"):
        run_monitor(log, tmp_path / "file" / "state")
    with pytest.raises(Misconfigured, match="can't be read"):
        run_monitor(log, tmp_path)


@contextmanager
def published(directory: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_log_on_any_web_server_is_checked_the_same_way(log: Path, state: Path, tmp_path: Path) -> None:
    other = rewritten(tmp_path / "other", 600)
    with published(log) as url, source(url) as files:
        assert monitor(files, KEY, state).now.size == 300
        write_ledger(log, 600)
        assert monitor(files, KEY, state).now.size == 600
    with published(other) as url, source(url) as files, pytest.raises(IntegrityError, match="rewritten"):
        monitor(files, KEY, state)


def run(*arguments: object, command: str = "monitor") -> int:
    with pytest.raises(SystemExit) as ended:
        run_cli(app, [command, *map(str, arguments)])
    return int(ended.value.code or 0)


run_evidence = partial(run, command="evidence")


def test_the_command_says_what_it_proved(log: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--vkey", log / "log.vkey", "--state", state)
    said = []
    for size in (300, 300, 400):
        write_ledger(log, size)
        assert run(log, *options) == 0
        said.append(capsys.readouterr().out)
    assert "300 entries" in said[0] and "no earlier checkpoint" in said[0]
    assert "nothing new" in said[1]
    assert "400 entries" in said[2] and "extend the 300 before" in said[2]
    assert run(log, *options, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["version"], shown["size"], shown["size_before"]) == (1, 400, 400)


def test_the_command_ends_with_6_on_a_fork_and_names_the_evidence(
    log: Path, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--vkey", log / "log.vkey", "--state", state)
    assert run(log, *options) == 0
    assert run(rewritten(tmp_path / "other", 300), *options) == 6
    said = capsys.readouterr().err
    assert "rewritten" in said and str(found(state)) in said and "Traceback" not in said

    assert run_evidence(found(state), "--vkey", log / "log.vkey") == 0
    assert "that does not begin with it: proved" in capsys.readouterr().out
    assert run_evidence(found(state), "--vkey", log / "log.vkey", "--json") == 0
    assert json.loads(capsys.readouterr().out)["fault"] == "fork"
    for file, code in ((log / "checkpoint", 3), (tmp_path / "none", 2)):
        assert run_evidence(file, "--vkey", log / "log.vkey") == code
        assert capsys.readouterr().err.startswith("glomar-auditor: ")


def test_the_command_refuses_what_is_no_ledger_and_no_key(
    log: Path, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = log / "log.vkey"
    (tmp_path / "empty").mkdir()
    for directory, vkey, code in (
        (tmp_path / "none", key, 2),
        (tmp_path / "empty", key, 2),
        (log, log / "checkpoint", 2),
        (log, tmp_path / "none", 2),
        (log, tmp_path, 2),
        ("http://127.0.0.1:1", key, 5),
        ("ftp://127.0.0.1", key, 2),
    ):
        assert run(directory, "--vkey", vkey, "--state", state) == code
        said = capsys.readouterr()
        assert said.out == "" and said.err.startswith("glomar-auditor: ") and said.err.count("\n") == 1
    assert not state.exists()


def test_following_goes_on_when_the_log_is_away_and_ends_when_it_forks(
    log: Path,
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = tmp_path / "log.vkey"
    shutil.copy(log / "log.vkey", key)
    attempts = 0

    def meanwhile(seconds: float) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            (log / "checkpoint").unlink()
        elif attempts == 4:
            shutil.rmtree(log)
            rewritten(log, 600)
        else:
            write_ledger(log, 300 + attempts)

    monkeypatch.setattr(time, "sleep", meanwhile)

    assert run(log, "--vkey", key, "--state", state, "--follow", "--json") == 6

    said = capsys.readouterr()
    assert [json.loads(line)["size"] for line in said.out.splitlines()] == [300, 301, 303]
    assert "not published" in said.err and "rewritten" in said.err
