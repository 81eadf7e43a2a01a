"""Follows the control sequence by reading the next slot. Called at start and when the fence was stale.

No watcher is needed: the fence refuses whatever was decided before the newest control.
"""

from datetime import datetime

from glomar_runtime.connection import API_PREFIX
from glomar_runtime.delivery import moment, time_ns
from glomar_schemas.agreement import SignedAgreement
from glomar_schemas.controls import InForce, apply
from glomar_schemas.errors import Unreachable
from glomar_schemas.subjects import Subjects
from nats.aio.client import Client
from nats.aio.msg import Msg

TIMEOUT_S = 5.0


async def catch_up(client: Client, state: InForce, signed: SignedAgreement, subjects: Subjects) -> InForce:
    """The state after every control that the stream holds. Raises Unreachable, Refused, IntegrityError."""
    while (found := await _slot(client, subjects, state.slot + 1)) is not None:
        state = apply(state, found.data, signed, subjects, _stream_time(found))
    return state


def _stream_time(found: Msg) -> datetime:
    """When the control was stored: its signers' keys must have been valid then, not now.

    The one fact that is taken from a header: the operator alone publishes controls.
    """
    return moment(time_ns((found.headers or {})["Nats-Time-Stamp"]))


async def _slot(client: Client, subjects: Subjects, slot: int) -> Msg | None:
    subject = f"{API_PREFIX}.DIRECT.GET.{subjects.stream}.{subjects.control(slot)}"
    try:
        reply = await client.request(subject, b"", timeout=TIMEOUT_S)
    except TimeoutError:
        raise Unreachable("the control slots can't be read", where=subjects.stream) from None
    if (reply.headers or {}).get("Status") == "404":
        return None
    return reply
