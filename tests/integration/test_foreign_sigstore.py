"""A ledger of ours, checked by Sigstore's npm package: a second program that is not ours."""

import subprocess
from pathlib import Path

import pytest

from tests.integration import test_foreign_verifier as foreign
from tests.support.needs import node

PROGRAM = Path(__file__).parent / "foreign" / "verify.mjs"

ledger = foreign.ledger


def run(ledger: Path) -> subprocess.CompletedProcess[str]:
    if not (PROGRAM.parent / "node_modules/@sigstore/verify").is_dir():
        pytest.fail("Sigstore's verifier is missing: run `make foreign`", pytrace=False)
    command = [node(), PROGRAM, ledger, ledger / "log.vkey", ledger.parent / "receipt"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_sigstore_accepts_the_checkpoint_and_a_receipt(ledger: Path) -> None:
    result = run(ledger)
    assert result.returncode == 0, result.stderr
    assert f"{foreign.SIZE} entries is signed, receipt for {foreign.RECEIPT_FOR} holds" in result.stdout


@pytest.mark.parametrize("name", ["checkpoint", "../receipt"])
def test_sigstore_rejects_one_byte_changed(ledger: Path, name: str) -> None:
    foreign.flip_middle_byte(ledger / name)
    result = run(ledger)
    assert (result.returncode, result.stderr[:10]) == (1, "REJECTED: ")


def test_sigstore_rejects_a_changed_entry(ledger: Path) -> None:
    bundle = ledger / f"tile/entries/{foreign.RECEIPT_FOR // 256:03d}"
    name = b"glomar.a.request.\xc3\xa9.%d" % (foreign.RECEIPT_FOR + 1)
    bundle.write_bytes(bundle.read_bytes().replace(name, name[:-1] + b"x"))
    result = run(ledger)
    assert (result.returncode, result.stderr[:10]) == (1, "REJECTED: ")


def test_sigstore_rejects_a_receipt_for_another_entry(ledger: Path) -> None:
    receipt = ledger.parent / "receipt"
    receipt.write_text(
        receipt.read_text().replace(f"index {foreign.RECEIPT_FOR}\n", "index 301\n"), newline="\n"
    )
    assert run(ledger).returncode == 1
