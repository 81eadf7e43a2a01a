"""The time that conditions count from: the later of the own clock and the newest stream time. Pure.

A verifier whose clock lags could hold an expired request for fresh; far behind the stream it decides nothing.
"""

from datetime import datetime, timedelta

from glomar_schemas.errors import Retryable

MAX_LAG = timedelta(seconds=30)


class Clock:
    def __init__(self) -> None:
        self._newest: datetime | None = None

    def now(self, own: datetime, stream: datetime) -> datetime:
        """stream: the newest stream time of the messages at hand. Raises Retryable if `own` lags."""
        self._newest = max(self._newest or stream, stream)
        self.require_right(own)
        return max(own, self._newest)

    def require_right(self, own: datetime) -> None:
        """Raises Retryable while `own` lags behind the newest stream time that was ever at hand."""
        if self._newest is not None and own < self._newest - MAX_LAG:
            raise Retryable(
                "this machine's clock is more than 30 s behind the stream's",
                where="clock",
                fix="Nothing is decided until it is set",
            )
