"""Follows the control sequence by reading the next slot. Called by verifier, auditor and officials' tools.

No watcher is needed: the verifier's fence refuses whatever was decided before the newest control.
"""

import logging
from collections.abc import AsyncIterator

from glomar_schemas.agreement.controls import Applied, InForce, apply
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.subjects import Subjects
from nats.aio.client import Client

from glomar_runtime.bus.stream import Stored, get_by_subject, moment

log = logging.getLogger(__name__)


async def newer(
    client: Client, state: InForce, versions: Versions, subjects: Subjects
) -> AsyncIterator[tuple[Stored, Applied]]:
    """Each control behind `state`, and what is in force from it on. Raises Unreachable, Fatal."""
    while True:
        stored = await get_by_subject(client, subjects.stream, subjects.control(state.slot + 1))
        if stored is None:
            return
        applied = apply(state, stored.body, versions, subjects, stored.sequence, moment(stored.time_ns))
        yield stored, applied
        state = applied.in_force


async def newest(client: Client, versions: Versions, subjects: Subjects) -> InForce:
    """What is in force after every control that the stream holds. Raises Unreachable, Fatal."""
    state = InForce()
    async for _, applied in newer(client, state, versions, subjects):
        state = applied.in_force
    return state


def tell(stored: Stored, applied: Applied) -> None:
    """One line in the log of a service that has come to a control."""
    if applied.fault:
        log.error("a control is void", extra={"sequence": stored.sequence, "fault": applied.fault})
    else:
        count = len(applied.in_force.holds)
        log.info("a control is in force", extra={"sequence": stored.sequence, "count": count})
