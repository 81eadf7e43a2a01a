"""The synthetic requests of a local system are of the day on which they are judged."""

from datetime import UTC, date, datetime, tzinfo

import pytest
from glomar_local.demo import population


def test_an_evening_there_is_not_the_next_day_though_it_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first agreement counts in New York: what is of day 90 must be of day 90 there."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls(2026, 11, 27, 0, 17, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(population, "datetime", Clock)
    assert population.today() == date(2026, 11, 26)
