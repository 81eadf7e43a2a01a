"""A ledger of ours, checked by Go's golang.org/x/mod/sumdb: a program that is not ours."""

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import Ledger
from glomar_schemas.tlog.leaf import Leaf

from tests.support.needs import GOPATH, need

SOURCE = Path(__file__).parent / "foreign" / "verify.go"
SIZE = 256 * 3 + 44
RECEIPT_FOR = 300


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built program."""
    go = need("go")
    build = tmp_path_factory.mktemp("go")
    environment = {
        "GO111MODULE": "off",
        "GOPATH": str(GOPATH),
        "GOFLAGS": "",
        "GOCACHE": str(build / "cache"),
    }
    command: list[str | Path] = [go, "build", "-o", build / "verify", SOURCE]
    built = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert built.returncode == 0, built.stderr
    return build / "verify"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    directory = tmp_path / "ledger"
    log = Ledger.open(
        directory, Ed25519PrivateKey.generate(), "audit.example/agreement-1/1", max_journal_bytes=50_000
    )
    while log.size < SIZE:
        first, last = log.size + 1, min(log.size + 100, SIZE)
        log.append(
            [
                Leaf(n, n * 10**9, f"glomar.a.request.é.{n}", n.to_bytes(32, "big"))
                for n in range(first, last + 1)
            ]
        )
    (tmp_path / "receipt").write_text(log.receipt(RECEIPT_FOR), newline="\n")
    log.close()
    return directory


def run(verifier: Path, ledger: Path) -> subprocess.CompletedProcess[str]:
    command = [verifier, ledger, ledger / "log.vkey", ledger.parent / "receipt"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def flip_middle_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_go_accepts_the_ledger_and_a_receipt(verifier: Path, ledger: Path) -> None:
    result = run(verifier, ledger)
    assert result.returncode == 0, result.stderr
    assert f"{SIZE} entries" in result.stdout and f"receipt for {RECEIPT_FOR} holds" in result.stdout


@pytest.mark.parametrize("name", ["tile/entries/001", "tile/entries/003.p/44", "checkpoint", "../receipt"])
def test_go_rejects_the_ledger_with_one_byte_changed(verifier: Path, ledger: Path, name: str) -> None:
    flip_middle_byte(ledger / name)
    result = run(verifier, ledger)
    assert result.returncode == 1
    assert result.stderr.startswith("REJECTED: ")


def test_go_rejects_a_receipt_for_another_entry(verifier: Path, ledger: Path) -> None:
    receipt = ledger.parent / "receipt"
    receipt.write_text(receipt.read_text().replace(f"index {RECEIPT_FOR}\n", "index 301\n"), newline="\n")
    assert run(verifier, ledger).returncode == 1
