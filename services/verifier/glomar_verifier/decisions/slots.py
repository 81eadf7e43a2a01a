"""Release slots: the moments at which verdicts are published. Called by the desk, which signs the slot; the
worker waits for it. Pure.

How long a lookup took could tell what it found. So the slot is reckoned from when the judging began.
"""

from datetime import UTC, datetime, timedelta

SLOT = timedelta(milliseconds=5)
JUDGING = timedelta(milliseconds=3)
"""What judging and signing a lone request is given, whatever it finds. A large batch takes longer."""

_START = datetime(2020, 1, 1, tzinfo=UTC)


def release_slot(began: datetime, ended: datetime) -> datetime:
    """The first multiple of SLOT that is neither before the end of the judging nor within its allowance."""
    earliest = max(began + JUDGING, ended)
    return earliest + (_START - earliest) % SLOT
