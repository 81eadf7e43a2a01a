"""The time at which a verdict is stored."""

from datetime import UTC, datetime, timedelta

import pytest
from glomar_verifier.decisions.verdict_writer import ALLOWANCE, RELEASE_INTERVAL, release_time
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def ms(number: float) -> timedelta:
    return timedelta(milliseconds=number)


@pytest.mark.parametrize(
    ("began", "took", "expected"),
    [
        pytest.param(0, 0, 5, id="at once"),
        pytest.param(0, 2.999, 5, id="just within the allowance"),
        pytest.param(2, 1, 5, id="the allowance ends on a multiple"),
        pytest.param(2.001, 1, 10, id="it ends just after one"),
        pytest.param(0, 5, 5, id="done on a multiple"),
        pytest.param(0, 5.001, 10, id="done just after one"),
        pytest.param(0, 998, 1000, id="a large batch"),
    ],
)
def test_it_is_the_first_multiple_after_the_allowance_and_the_end(
    began: float, took: float, expected: float
) -> None:
    assert release_time(NOON + ms(began), NOON + ms(began + took)) == NOON + ms(expected)


@given(st.integers(0, 10**7), st.integers(0, int(ALLOWANCE / timedelta(microseconds=1))))
def test_within_the_allowance_the_time_that_it_took_changes_nothing(began_us: int, took_us: int) -> None:
    began = NOON + timedelta(microseconds=began_us)
    released = release_time(began, began + timedelta(microseconds=took_us))
    assert released == release_time(began, began)
    assert released.microsecond % (RELEASE_INTERVAL / timedelta(microseconds=1)) == 0
    assert ALLOWANCE <= released - began < ALLOWANCE + RELEASE_INTERVAL
