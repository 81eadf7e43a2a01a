"""Dates as given on the command line. Pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_NS = 2**63 - 1


def in_zone(given: datetime, zone: str) -> datetime:
    """A time without a zone is in the agreement's zone."""
    return given if given.tzinfo else given.replace(tzinfo=ZoneInfo(zone))


def to_ns(moment: datetime) -> int:
    """ns since the Unix epoch, between 0 and LAST_NS."""
    return min(max((moment - _EPOCH) // timedelta(microseconds=1) * 1000, 0), LAST_NS)
