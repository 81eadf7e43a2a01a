"""No code knows an agreement by name: another one is a file, and needs no release of ours."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_schemas.agreement.model import Agreement, parse_agreement

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "schemas/agreements").glob("*/agreement.toml"))


def code() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.splitlines() if not name.startswith("tests/")]


def names(agreement: Agreement) -> Iterator[str]:
    """All that only this agreement says: ids, parties, statutes, grounds, uses, officers."""
    allowed = agreement.allowed
    yield agreement.id
    for token, party in agreement.parties.items():
        yield from (token, party.name)
    for statutes in allowed.statutes.values():
        yield from statutes
    yield from (*allowed.removal_classes, *allowed.grounds, *allowed.intended_uses)
    yield from (delegation.id for delegation in agreement.delegations)
    yield from (officer.id for officer in agreement.officers)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_no_code_names_what_only_an_agreement_says(path: Path) -> None:
    agreement = parse_agreement(path.read_bytes(), where=path.name)
    files = code()
    assert len(files) > 80
    words = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in set(names(agreement))))
    found = [
        f"{file.relative_to(ROOT)}:{number}: {match.group()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        for match in words.finditer(line)
    ]
    assert found == []
