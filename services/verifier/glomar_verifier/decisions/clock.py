"""The times that decisions use: the time of a batch, a clock that runs on from it, the wait for a release."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from glomar_schemas.errors import Retryable

log = logging.getLogger(__name__)

MAX_LAG = timedelta(seconds=30)

Clock = Callable[[], datetime]


class StreamClock:
    """The later of this machine's clock and the newest stream time that was seen.

    A machine whose clock is slow would accept requests that have expired. If it is more than MAX_LAG behind
    the stream, nothing is decided.
    """

    def __init__(self) -> None:
        self._newest: datetime | None = None
        self._is_lagging = False

    def now(self, own: datetime, stream: datetime) -> datetime:
        """stream: the newest stream time of the messages at hand. Raises Retryable if `own` lags."""
        self._newest = max(self._newest or stream, stream)
        self.require_not_behind(own)
        return max(own, self._newest)

    def batch_time(self, own: datetime, stream: datetime) -> datetime | None:
        """As `now`, but None while `own` lags. Logs when the lag begins and when it ends."""
        try:
            now = self.now(own, stream)
        except Retryable as fault:
            if not self._is_lagging:
                log.error("nothing is decided", extra={"fault": fault.what})
            self._is_lagging = True
            return None
        if self._is_lagging:
            log.info("the clock is right again")
        self._is_lagging = False
        return now

    def require_not_behind(self, own: datetime) -> None:
        """Raises Retryable while `own` is more than MAX_LAG behind the newest stream time."""
        if self._newest is not None and own < self._newest - MAX_LAG:
            raise Retryable(
                "this machine's clock is more than 30 s behind the stream's",
                where="clock",
                fix="Nothing is decided until it is set",
            )


def running_from(start: datetime) -> Clock:
    """A clock that shows `start` now and runs on. Steps of the machine's clock do not move it."""
    started_s = time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - started_s)


async def wait_until(moment: datetime, clock: Clock) -> None:
    """Timers of the event loop count whole milliseconds and may fire early, hence the loop."""
    while (left := moment - clock()) > timedelta(0):  # noqa: ASYNC110
        await asyncio.sleep(left.total_seconds())
