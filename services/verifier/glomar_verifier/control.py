"""Follows the control sequence by reading the next slot. Called at start, when the fence was stale, and while
requests wait for a hold to be lifted.

No watcher is needed: the fence refuses whatever was decided before the newest control.
"""

import logging

from glomar_runtime.delivery import get_by_subject, moment
from glomar_schemas.controls import InForce, apply
from glomar_schemas.subjects import Subjects
from glomar_schemas.versions import Versions
from nats.aio.client import Client

log = logging.getLogger(__name__)


async def catch_up(client: Client, state: InForce, versions: Versions, subjects: Subjects) -> InForce:
    """The state after every control that the stream holds. Raises Unreachable, Fatal."""
    while True:
        subject = subjects.control(state.slot + 1)
        stored = await get_by_subject(client, subjects.stream, subject)
        if stored is None:
            return state
        applied = apply(state, stored.body, versions, subjects, stored.sequence, moment(stored.time_ns))
        state = applied.in_force
        if applied.fault:
            log.error("a control is void", extra={"sequence": stored.sequence, "fault": applied.fault})
        else:
            log.info("a control is in force", extra={"sequence": stored.sequence, "count": len(state.holds)})
