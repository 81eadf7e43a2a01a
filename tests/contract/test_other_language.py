"""The vectors, checked by a program without our code: Node with its own cryptography."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.needs import node

PROGRAM = Path(__file__).with_name("vectors_check.mjs")
VECTORS = Path(__file__).resolve().parents[2] / "schemas/vectors"


def run(vectors: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node(), PROGRAM, vectors], capture_output=True, text=True, timeout=120, check=False
    )


def damaged(tmp_path: Path, name: str, old: str, new: str) -> Path:
    copy = tmp_path / "vectors"
    shutil.copytree(VECTORS, copy)
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1))
    return copy


def test_a_program_in_another_language_agrees_with_every_vector() -> None:
    done = run(VECTORS)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert all(counts[kind] > 0 for kind in ("keys", "signatures", "sealed", "digests", "paddings", "leaves"))
    assert counts["refused"] > 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("signed.json", "failure-to-depart", "failure-to-report"),
        ("sealed.json", "glomar/v1 request", "glomar/v2 request"),
        ("sealed.json", "Quandt-Ferreira", "Quandt-Pereira"),
        ("padding.json", '"padded_hex": "6162638', '"padded_hex": "6162648'),
        ("ledger.json", '"sequence": 3', '"sequence": 4'),
        ("keys.json", '"party": "irs"', '"party": "xyz"'),
    ],
)
def test_that_program_notices_a_changed_vector(tmp_path: Path, name: str, old: str, new: str) -> None:
    assert run(damaged(tmp_path, name, old, new)).returncode == 1
