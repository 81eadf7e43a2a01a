"""Cases from public bug reports: each folder of tests/data/matching is decided as its expected.csv says."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from glomar_schemas.agreement.model import parse_agreement
from glomar_verifier.offline.decide_file import FileDecider, decisions
from glomar_verifier.offline.request_row import default_requester
from glomar_verifier.register.build import build
from glomar_verifier.register.sqlite import open_register

from tests.support.registers import RULES

ROOT = Path(__file__).parents[4]
CASES = sorted(path.parent for path in (ROOT / "tests/data/matching").glob("*/expected.csv"))
AGREEMENT = ROOT / "schemas/agreements/irs-ice-2025/agreement.toml"
NOW = datetime(2025, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_decided_as_expected(case: Path, tmp_path: Path) -> None:
    with (case / "expected.csv").open(encoding="utf-8", newline="") as file:
        expected = {row["reference"]: row["expected"] for row in csv.DictReader(file)}
    build(case / "register.csv", tmp_path / "register.db", RULES)
    register = open_register(tmp_path / "register.db", RULES)
    agreement = parse_agreement(AGREEMENT.read_bytes(), where=str(AGREEMENT))
    decider = FileDecider(register, RULES, agreement, default_requester(agreement), None)
    found = {
        decision.reference: "confirm" if decision.outcome == "confirm" else "deny"
        for decision, _ in decisions(case / "requests.csv", decider, NOW)
    }
    register.close()
    assert found == expected


def test_there_are_cases() -> None:
    assert len(CASES) > 20
