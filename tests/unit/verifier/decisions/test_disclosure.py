"""The outcome after a lookup."""

import pytest
from glomar_verifier.decisions.disclosure import outcome
from glomar_verifier.matching.match import MatchResult

FOUND = MatchResult("confirm", "P1")


@pytest.mark.parametrize(
    ("addresses", "most", "vetoed", "held", "countable", "expected"),
    [
        (1, 3, False, False, True, "confirm"),
        (3, 3, False, False, True, "confirm"),
        (4, 3, False, False, True, "deny"),
        (1, 3, True, False, True, "deny"),
        (1, 3, False, True, True, "deny"),
        (1, 3, False, False, False, "deny"),
        (99, None, False, False, True, "confirm"),
        (1, 0, False, False, True, "deny"),
    ],
)
def test_a_confirmation_stands_within_the_limit_and_without_a_veto_or_a_hold(
    addresses: int, most: int | None, vetoed: bool, held: bool, countable: bool, expected: str
) -> None:
    outcomes = [
        outcome(
            found, addresses=addresses, most_addresses=most, vetoed=vetoed, held=held, countable=countable
        )
        for found in (FOUND, MatchResult("deny"))
    ]
    assert outcomes == [expected, "deny"]
