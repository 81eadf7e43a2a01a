"""`verify-receipt FILE`: its output, the keys that it accepts, and exit code 6 for a wrong receipt."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_local.system.process import program
from glomar_runtime.cli_receipt import check_receipt, describe, verify_receipt
from glomar_schemas.errors import IntegrityError, Misconfigured
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.note import format_vkey
from glomar_schemas.tlog.policy import parse_policy

from tests.support.witness import cosign, format_witness_vkey
from tests.unit.schemas.tlog.test_receipt import KEY, LOG, ORIGIN, SIGNER, receipt_for

INDEX = 6
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
WITNESS = f"witness w1 {format_witness_vkey('witness.example/w1', PRIVATE.public_key())}"
LOG_LINE = f"log {format_vkey(ORIGIN, SIGNER.public_key())}"
PLAIN = receipts.with_leaf(receipt_for(INDEX), LOG[INDEX])
COSIGNED = PLAIN + cosign(receipts.parse(PLAIN).checkpoint, PRIVATE, at=1_800_000_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a user."""
    (tmp_path / "answer.tlog-proof").write_text(COSIGNED, newline="")
    (tmp_path / "log.vkey").write_text(format_vkey(ORIGIN, SIGNER.public_key()) + "\n")
    (tmp_path / "policy").write_text(f"{LOG_LINE}\n{WITNESS}\nquorum w1\n")
    (tmp_path / "witnesses").write_text(f"{WITNESS}\nquorum w1\n")
    return tmp_path


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    arguments = [program(command), "verify-receipt", "answer.tlog-proof", "--policy", "policy"]
    return subprocess.run(arguments, capture_output=True, text=True, cwd=folder, check=False)


def test_the_auditors_command_checks_a_file_and_says_what_it_proves(folder: Path) -> None:
    done = run(folder, "glomar-auditor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "answer.tlog-proof: holds",
        f"  the log {ORIGIN} has signed that its first 11 leaves are fixed",
        f"  leaf 6 of them is the message {LOG[INDEX].subject}",
        "  the bus stored it as sequence 7 at 1970-01-01T00:00:06.000000000Z",
        f"  its body has the SHA-256 {'06' * 32}",
        "  w1 saw this log, and no other, at 2027-01-15T08:00:00Z",
        "  the policy's quorum of witnesses is there",
    ]


def test_the_requesters_command_exits_with_6_when_it_does_not_hold(folder: Path) -> None:
    (folder / "answer.tlog-proof").write_text(PLAIN, newline="")
    done = run(folder, "glomar-requester")
    assert (done.returncode, done.stdout) == (6, "")
    assert "answer.tlog-proof: the receipt does not hold: no quorum among the 0 of 1" in done.stderr


def test_it_prints_json_of_a_versioned_shape(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify_receipt(folder / "answer.tlog-proof", policy=folder / "policy", as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "version": 1,
        "origin": ORIGIN,
        "size": 11,
        "index": 6,
        "subject": LOG[INDEX].subject,
        "time": "1970-01-01T00:00:06.000000000Z",
        "body_sha256": "06" * 32,
        "cosigned": {"w1": "2027-01-15T08:00:00Z"},
    }


@pytest.mark.parametrize("keys", [("log.vkey", None), (None, "policy"), ("log.vkey", "witnesses")])
def test_the_logs_key_comes_from_a_file_or_from_the_policy(
    folder: Path, keys: tuple[str | None, str | None]
) -> None:
    vkey, policy = (folder / name if name else None for name in keys)
    verify_receipt(folder / "answer.tlog-proof", vkey=vkey, policy=policy)


def test_without_a_policy_it_reports_that_witnesses_were_not_checked() -> None:
    words = describe(check_receipt(COSIGNED, KEY, None, where="file"))
    assert words[-1] == "whether witnesses saw the same log was not checked (--policy)"


def test_every_changed_byte_makes_it_not_hold() -> None:
    policy = parse_policy(f"{LOG_LINE}\n{WITNESS}\nquorum w1\n".encode())
    data = COSIGNED.encode()
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= 1
        with pytest.raises(IntegrityError, match="file: the receipt does not hold"):
            check_receipt(altered.decode(errors="replace"), KEY, policy, where="file")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", receipt_for(INDEX).encode(), b"x" * 2_000_000])
def test_what_is_no_receipt_with_a_leaf_does_not_hold(folder: Path, content: bytes) -> None:
    (folder / "answer.tlog-proof").write_bytes(content)
    with pytest.raises(IntegrityError, match="does not hold"):
        verify_receipt(folder / "answer.tlog-proof", vkey=folder / "log.vkey")


def test_another_logs_key_does_not_hold(folder: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    (folder / "log.vkey").write_text(format_vkey(ORIGIN, other))
    with pytest.raises(IntegrityError, match="no signature by the log's key"):
        verify_receipt(folder / "answer.tlog-proof", vkey=folder / "log.vkey", policy=folder / "policy")
    (folder / "policy").write_text(f"log {format_vkey(ORIGIN, other)}\nquorum none\n")
    with pytest.raises(IntegrityError, match="no log of the policy"):
        verify_receipt(folder / "answer.tlog-proof", policy=folder / "policy")


def test_its_needs_are_reported(folder: Path) -> None:
    receipt = folder / "answer.tlog-proof"
    with pytest.raises(Misconfigured, match="Give --vkey"):
        verify_receipt(receipt)
    with pytest.raises(Misconfigured, match="lists no log"):
        verify_receipt(receipt, policy=folder / "witnesses")
    with pytest.raises(Misconfigured, match="can't be read"):
        verify_receipt(folder / "absent", vkey=folder / "log.vkey")
    with pytest.raises(Misconfigured, match="not a log's public key"):
        verify_receipt(receipt, vkey=receipt)
