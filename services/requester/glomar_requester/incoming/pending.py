"""Requests whose release has not arrived, and when to query the auditor for one. Pure except for its futures.

A polled request is awaited by a caller: if its push does not arrive, the auditor is queried. An idle one is
not: its push is accepted, nothing is queried, and beyond MAX_IDLE the oldest is dropped.
"""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable

from glomar_schemas.errors import GlomarError
from msgspec import Struct

from glomar_requester.ask import RequestRecord
from glomar_requester.verification.release import Result

FIRST_QUERY_S = 3.0
FIRST_WITNESS_S = 0.5
LONGEST_PAUSE_S = 30.0
MAX_IDLE = 50_000


class PendingRelease(Struct, eq=False):
    """One request whose result is not available yet."""

    request: RequestRecord
    future: "asyncio.Future[Result]"
    polled: bool = False
    pause_s: float = FIRST_QUERY_S
    missing_cosignatures: str = ""
    """Not blank: the release has arrived and its receipt lacks these."""

    @property
    def reason(self) -> str:
        """Why there is no result, for the caller."""
        if self.missing_cosignatures:
            return f"answered, but under a checkpoint with {self.missing_cosignatures}"
        return "not answered yet"


class PendingReleases:
    """By request id."""

    def __init__(self) -> None:
        self._pending: dict[str, PendingRelease] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()
        self._schedule: list[tuple[float, str]] = []
        self._unwitnessed: list[tuple[float, str]] = []

    def add(self, request: RequestRecord, *, poll_from: float | None) -> PendingRelease:
        """poll_from: when its push was due; None: idle. A second call for an id returns the first's."""
        request_id = request.request_id
        pending = self._pending.get(request_id)
        if pending is None:
            pending = PendingRelease(request, asyncio.get_running_loop().create_future())
            self._pending[request_id] = pending
            self._idle[request_id] = None
            if len(self._idle) > MAX_IDLE:
                self.drop(next(iter(self._idle)))
        if poll_from is not None and not pending.polled:
            pending.polled = True
            self._idle.pop(request_id, None)
            schedule = self._unwitnessed if pending.missing_cosignatures else self._schedule
            heapq.heappush(schedule, (poll_from + pending.pause_s, request_id))
        return pending

    def get(self, request_id: str) -> PendingRelease | None:
        return self._pending.get(request_id)

    def drop(self, request_id: str) -> None:
        """Cancels its future, if it is not done."""
        pending = self._pending.pop(request_id, None)
        self._idle.pop(request_id, None)
        if pending is not None:
            pending.future.cancel()

    def fail(self, request_id: str, fault: GlomarError) -> None:
        """Its callers get this error."""
        pending = self._pending.get(request_id)
        if pending is not None and not pending.future.done():
            pending.future.set_exception(fault)
            # Retrieved, so that asyncio does not log it where no caller awaits the future.
            pending.future.exception()
        self.drop(request_id)

    def set_unwitnessed(self, request_id: str, missing_cosignatures: str, now: float) -> None:
        """Its release has arrived without a quorum of cosignatures; a new receipt is queried for soon."""
        pending = self._pending.get(request_id)
        if pending is None:
            return
        if not pending.missing_cosignatures:
            pending.pause_s = FIRST_WITNESS_S
            if pending.polled:
                heapq.heappush(self._unwitnessed, (now + FIRST_WITNESS_S, request_id))
        pending.missing_cosignatures = missing_cosignatures

    def due(self, now: float, patience_s: float = 0.0) -> list[PendingRelease]:
        """Polled requests to query for now; the pause before the next query of each doubles.

        patience_s: how much longer to wait for a push that may still arrive.
        """
        unanswered = self._pop_due(
            self._schedule, now - patience_s, still=lambda pending: not pending.missing_cosignatures
        )
        return unanswered + self._pop_due(self._unwitnessed, now, still=lambda pending: True)

    def _pop_due(
        self, schedule: list[tuple[float, str]], until: float, still: Callable[[PendingRelease], bool]
    ) -> list[PendingRelease]:
        found = []
        while schedule and schedule[0][0] <= until:
            _, request_id = heapq.heappop(schedule)
            pending = self._pending.get(request_id)
            if pending is not None and still(pending):
                pending.pause_s = min(2 * pending.pause_s, LONGEST_PAUSE_S)
                heapq.heappush(schedule, (until + pending.pause_s, request_id))
                found.append(pending)
        return found
