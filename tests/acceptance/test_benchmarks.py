"""The benchmarks at full size: nothing is lost or wrong, and every goal is reached.

Run it alone on the machine: goals in seconds mean nothing while other programs use the processors.
"""

import pytest

from tests.acceptance.evidence import run_module
from tests.bench.goals import MISSED

BENCHMARKS = {
    "product beside relay, timing, bulk file": ("tests.bench", "--full"),
    "100,000 waiting under a hold": ("tests.bench.holds",),
    "registers of 1 and 10 million": ("tests.bench.register", "--people", "1000000", "10000000"),
    "ledger checked, and damaged in each way": ("tests.bench.checking",),
    "ledger fed for five minutes, and grown": ("tests.bench.ledger", "--seconds", "300"),
}


@pytest.mark.parametrize("arguments", BENCHMARKS.values(), ids=BENCHMARKS)
def test_every_goal_is_reached(arguments: tuple[str, ...]) -> None:
    printed = run_module(arguments, goals)
    assert MISSED not in printed, goals(printed)


def goals(printed: str) -> str:
    found = [line.removeprefix("Goal: ") for line in printed.splitlines() if line.startswith("Goal: ")]
    return "; ".join(found) or "nothing lost, nothing wrong"
