"""The fault tests of `make test` with other seeds and more runs."""

import pytest

from tests.acceptance.evidence import run_module

SEEDS = range(1, 6)
RUNS = {
    "tests/faults/test_hold_under_load.py": 20,
    "tests/faults/test_hold_on_cluster.py": 8,
    "tests/faults/test_kill.py": 1,
}
"""File -> runs on one system for each seed. The test of kills has one."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("file", RUNS)
def test_the_guarantees_hold_with_other_seeds(file: str, seed: int) -> None:
    settings = {"GLOMAR_TEST_SEED": str(seed), "GLOMAR_TEST_RUNS": str(RUNS[file])}
    run_module(["pytest", "-q", "-o", "timeout=0", file], last_line, settings)


def last_line(printed: str) -> str:
    return printed.splitlines()[-1]
