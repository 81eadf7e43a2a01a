"""The moment at which a verdict is published."""

from datetime import UTC, datetime, timedelta

import pytest
from glomar_verifier.decisions.verdict_writer import ALLOWANCE, RELEASE_INTERVAL, release_time
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def ms(number: float) -> timedelta:
    return timedelta(milliseconds=number)


@pytest.mark.parametrize(
    ("began", "took", "slot"),
    [
        pytest.param(0, 0, 5, id="at once"),
        pytest.param(0, 2.999, 5, id="just within the allowance"),
        pytest.param(2, 1, 5, id="the allowance ends on a slot"),
        pytest.param(2.001, 1, 10, id="it ends just after one"),
        pytest.param(0, 5, 5, id="done on a slot"),
        pytest.param(0, 5.001, 10, id="done just after one"),
        pytest.param(0, 998, 1000, id="a large batch"),
    ],
)
def test_the_slot_is_the_first_after_the_allowance_and_the_end(
    began: float, took: float, slot: float
) -> None:
    assert release_time(NOON + ms(began), NOON + ms(began + took)) == NOON + ms(slot)


@given(st.integers(0, 10**7), st.integers(0, int(ALLOWANCE / timedelta(microseconds=1))))
def test_within_the_allowance_the_time_that_it_took_changes_nothing(began_us: int, took_us: int) -> None:
    began = NOON + timedelta(microseconds=began_us)
    slot = release_time(began, began + timedelta(microseconds=took_us))
    assert slot == release_time(began, began)
    assert slot.microsecond % (RELEASE_INTERVAL / timedelta(microseconds=1)) == 0
    assert ALLOWANCE <= slot - began < ALLOWANCE + RELEASE_INTERVAL
