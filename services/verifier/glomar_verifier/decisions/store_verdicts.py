"""Stores verdicts on the stream, each exactly once and under the fence.

The stream enforces both. A verdict's subject is write-once: a second verdict is refused. A publish is also
refused if the next control slot is not empty any more, so no decision under older controls is stored.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from glomar_schemas.errors import Retryable
from glomar_schemas.publish import (
    FENCE_BUSY,
    FENCE_STALE,
    SUBJECT_TAKEN,
    Connection,
    NotStored,
    Outgoing,
    store,
    store_atomically,
)

log = logging.getLogger(__name__)

BUSY_WAIT_S = 0.005
BUSY_TRIES = 100
"""After these the request waits for its next delivery, so that a busy fence can't stop this process."""


OnStored = Callable[[Sequence[int], Sequence[Outgoing]], None]
"""Called with the sequences and the messages that the stream has just stored."""


def ignore_stored(sequences: Sequence[int], messages: Sequence[Outgoing]) -> None:
    """No-op callback."""


class Stale(Exception):
    """A newer control is in force; decide again."""


async def store_verdicts(
    connection: Connection,
    verdicts: Sequence[Outgoing],
    empty_slot: str,
    *,
    first_time: bool,
    on_stored: OnStored = ignore_stored,
) -> list[bool]:
    """For each: True if its request has a durable verdict now. False: not known; decide it again later.

    empty_slot: subject of the next control. first_time: no request was delivered before, so that one atomic
    batch can store them all. Raises Stale.
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
            on_stored(sequences, verdicts)
            return [True] * len(verdicts)
    return [await _store_one(connection, verdict, empty_slot, on_stored) for verdict in verdicts]


async def _store_one(connection: Connection, verdict: Outgoing, empty_slot: str, on_stored: OnStored) -> bool:
    for _ in range(BUSY_TRIES):
        try:
            sequence = await store(connection, verdict, empty_slot=empty_slot)
        except NotStored as fault:
            if fault.err_code == FENCE_STALE:
                raise Stale from None
            if fault.err_code == FENCE_BUSY:
                await asyncio.sleep(BUSY_WAIT_S)
                continue
            if fault.err_code != SUBJECT_TAKEN:
                log.warning("verdict not stored", extra={"status": fault.err_code})
            return fault.err_code == SUBJECT_TAKEN
        except Retryable as fault:
            log.warning("verdict not acknowledged", extra={"fault": fault.what})
            return False
        on_stored([sequence], [verdict])
        return True
    log.warning("verdict not stored: the fence stays busy")
    return False
