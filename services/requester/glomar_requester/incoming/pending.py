"""Who waits for which release, and when to ask for one whose push did not come. Pure but for its futures.

Called by the client. Someone who submits and walks away waits idly: a push is taken if it comes, nothing is
asked, and the oldest are forgotten when there are too many. Whoever awaits the result waits eagerly.
"""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable

from glomar_schemas.errors import GlomarError
from msgspec import Struct

from glomar_requester.ask import Asked
from glomar_requester.verification.release import Result

FIRST_QUERY_S = 3.0
FIRST_WITNESS_S = 0.5
LONGEST_PAUSE_S = 30.0
MAX_IDLE = 50_000


class Waiter(Struct, eq=False):
    """One request whose release has not come."""

    asked: Asked
    future: "asyncio.Future[Result]"
    eager: bool = False
    pause_s: float = FIRST_QUERY_S
    lacking: str = ""
    """Its release has come, and can't be handed out yet, because of this."""

    @property
    def missing(self) -> str:
        """Why there is no result, for whoever asked."""
        return f"answered, but under a checkpoint with {self.lacking}" if self.lacking else "not answered yet"


class Waiting:
    """All waiters by request id."""

    def __init__(self) -> None:
        self._waiters: dict[str, Waiter] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()
        self._schedule: list[tuple[float, str]] = []
        self._unwitnessed: list[tuple[float, str]] = []

    def add(self, asked: Asked, *, eager_from: float | None) -> Waiter:
        """eager_from: when its push was due; None: wait idly. A second call for an id joins the first."""
        request_id = asked.request_id
        waiter = self._waiters.get(request_id)
        if waiter is None:
            waiter = Waiter(asked, asyncio.get_running_loop().create_future())
            self._waiters[request_id] = waiter
            self._idle[request_id] = None
            if len(self._idle) > MAX_IDLE:
                self.drop(next(iter(self._idle)))
        if eager_from is not None and not waiter.eager:
            waiter.eager = True
            self._idle.pop(request_id, None)
            schedule = self._unwitnessed if waiter.lacking else self._schedule
            heapq.heappush(schedule, (eager_from + waiter.pause_s, request_id))
        return waiter

    def get(self, request_id: str) -> Waiter | None:
        return self._waiters.get(request_id)

    def drop(self, request_id: str) -> None:
        """Nobody waits for it any more."""
        waiter = self._waiters.pop(request_id, None)
        self._idle.pop(request_id, None)
        if waiter is not None:
            waiter.future.cancel()

    def fail(self, request_id: str, fault: GlomarError) -> None:
        """Whoever waits for it is told that it will not come."""
        waiter = self._waiters.get(request_id)
        if waiter is not None and not waiter.future.done():
            waiter.future.set_exception(fault)
            # Looked at, so that asyncio does not report it where nobody awaits.
            waiter.future.exception()
        self.drop(request_id)

    def unwitnessed(self, request_id: str, lacking: str, now: float) -> None:
        """Its release came without a quorum of witnesses: soon there may be one."""
        waiter = self._waiters.get(request_id)
        if waiter is None:
            return
        if not waiter.lacking:
            waiter.pause_s = FIRST_WITNESS_S
            if waiter.eager:
                heapq.heappush(self._unwitnessed, (now + FIRST_WITNESS_S, request_id))
        waiter.lacking = lacking

    def due(self, now: float, patience_s: float = 0.0) -> list[Waiter]:
        """Eager waiters to ask for now; each is asked for again after a pause twice as long.

        patience_s: how much longer to wait for those whose push may still come.
        """
        pushed = self._take(self._schedule, now - patience_s, again=lambda waiter: not waiter.lacking)
        return pushed + self._take(self._unwitnessed, now, again=lambda waiter: True)

    def _take(
        self, schedule: list[tuple[float, str]], until: float, again: Callable[[Waiter], bool]
    ) -> list[Waiter]:
        found = []
        while schedule and schedule[0][0] <= until:
            _, request_id = heapq.heappop(schedule)
            waiter = self._waiters.get(request_id)
            if waiter is not None and again(waiter):
                waiter.pause_s = min(2 * waiter.pause_s, LONGEST_PAUSE_S)
                heapq.heappush(schedule, (until + waiter.pause_s, request_id))
                found.append(waiter)
        return found
