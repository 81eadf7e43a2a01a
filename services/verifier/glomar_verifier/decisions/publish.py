"""Stores verdicts, each exactly once, behind the fence. Called by the app with what the desk decided.

The stream itself is the judge: a slot that is taken keeps its verdict, and a publish whose control slot was
filled meanwhile is refused, so that nothing decided under an older control gets in.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from glomar_schemas.errors import Retryable
from glomar_schemas.publish import (
    FENCE_BUSY,
    FENCE_STALE,
    SLOT_TAKEN,
    Connection,
    NotStored,
    Outgoing,
    store,
    store_atomically,
)

log = logging.getLogger(__name__)

BUSY_WAIT_S = 0.005
BUSY_TRIES = 100
"""Then the request waits for its next delivery: whoever keeps the fence busy must not stop this process."""


Acknowledged = Callable[[Sequence[int], Sequence[Outgoing]], None]
"""Is told what the stream has taken now, and under which sequences."""


def unheard(sequences: Sequence[int], messages: Sequence[Outgoing]) -> None:
    """Nobody wants to know."""


class Stale(Exception):
    """A newer control is in force; decide again."""


async def store_verdicts(
    connection: Connection,
    verdicts: Sequence[Outgoing],
    empty_slot: str,
    *,
    first_time: bool,
    acknowledged: Acknowledged = unheard,
) -> list[bool]:
    """For each verdict: does a verdict stand in its slot now, durably? False: unknown, decide again later.

    first_time: none of the requests was delivered before, so one batch will do. Raises Stale.
    """
    if first_time and verdicts:
        try:
            sequences = await store_atomically(connection, verdicts, empty_slot=empty_slot)
        except NotStored as fault:
            if fault.err_code == FENCE_STALE:
                raise Stale from None
            log.info("batch refused; storing singly", extra={"status": fault.err_code})
        except Retryable as fault:
            # It may be stored or not; the next delivery finds out.
            log.warning("batch not acknowledged", extra={"fault": fault.what})
            return [False] * len(verdicts)
        else:
            acknowledged(sequences, verdicts)
            return [True] * len(verdicts)
    return [await _store_one(connection, verdict, empty_slot, acknowledged) for verdict in verdicts]


async def _store_one(
    connection: Connection, verdict: Outgoing, empty_slot: str, acknowledged: Acknowledged
) -> bool:
    for _ in range(BUSY_TRIES):
        try:
            sequence = await store(connection, verdict, empty_slot=empty_slot)
        except NotStored as fault:
            if fault.err_code == FENCE_STALE:
                raise Stale from None
            if fault.err_code == FENCE_BUSY:
                await asyncio.sleep(BUSY_WAIT_S)
                continue
            if fault.err_code != SLOT_TAKEN:
                log.warning("verdict not stored", extra={"status": fault.err_code})
            return fault.err_code == SLOT_TAKEN
        except Retryable as fault:
            log.warning("verdict not acknowledged", extra={"fault": fault.what})
            return False
        acknowledged([sequence], [verdict])
        return True
    log.warning("verdict not stored: the fence stays busy")
    return False
