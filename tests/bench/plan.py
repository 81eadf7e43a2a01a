"""What every run does, product or peer: warm up, single requests at low load, then all the others at once."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from tests.bench.figures import Cost
from tests.bench.processes import Meter, RequesterProcess

WARM_UP = 200
Watch = AbstractAsyncContextManager[None]


class Plan(NamedTuple):
    """How many single requests at low load, and how many at once."""

    asks: int
    requests: int

    @property
    def rows(self) -> int:
        return WARM_UP + self.asks + self.requests


class Measured(NamedTuple):
    others: float
    seconds: float
    latencies_ms: list[float]
    costs: list[Cost]


async def carry_out(
    plan: Plan, requester: RequesterProcess, pids: Mapping[str, int], watches: Sequence[Watch] = ()
) -> Measured:
    """pids: what is metered, beside the asking process. watches: open while all are asked at once.

    Raises Failed.
    """
    await requester.run(0, WARM_UP, alone=False)
    alone = await requester.run(WARM_UP, plan.asks, alone=True) if plan.asks else None
    meter = Meter({"asking client": requester.pid, **pids})
    for watch in watches:
        await watch.__aenter__()
    try:
        meter.start()
        together = await requester.run(WARM_UP + plan.asks, plan.requests, alone=False)
    finally:
        for watch in watches:
            await watch.__aexit__(None, None, None)
    costs, others = await meter.read(plan.requests)
    return Measured(others, together.seconds, alone.latencies_ms if alone else [], costs)
