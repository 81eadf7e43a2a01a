"""The steps of every run, of product or peer: warm-up, single requests at low load, all others at once."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from tests.bench.figures import Cost
from tests.bench.processes import Meter, RequesterProcess

WARM_UP = 200
Watch = AbstractAsyncContextManager[None]


class Plan(NamedTuple):
    """asks: the number of single requests at low load; requests: the number sent at once."""

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


async def measure(
    plan: Plan, requester: RequesterProcess, pids: Mapping[str, int], watches: Sequence[Watch] = ()
) -> Measured:
    """pids: the processes to measure, besides the requester. watches: open while all are sent at once.

    Raises Failed.
    """
    await requester.run(0, WARM_UP, alone=False)
    alone = await requester.run(WARM_UP, plan.asks, alone=True) if plan.asks else None
    meter = Meter({"requester client": requester.pid, **pids})
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
