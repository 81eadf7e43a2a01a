"""Finds what waits when the list of it was lost: every request of the stream that has no verdict.

Called by the worker, beside its work, until it has succeeded once; what is found is decided like anything
that a hold has let go.
"""

import asyncio

from glomar_runtime.bus.stream import Stored, delivered_up_to, get_by_sequence
from glomar_schemas.errors import Malformed
from glomar_schemas.subjects import ParsedSubject, Subjects
from nats.aio.client import Client

from glomar_verifier.decisions.held_requests import NO_HOLD, Held
from glomar_verifier.decisions.open_request import slot_id

READ_AT_ONCE = 200


async def unanswered(client: Client, subjects: Subjects) -> list[Held]:
    """Requests that were delivered once, and so may have been acknowledged, and have no verdict.

    Raises Unreachable.
    """
    last = await delivered_up_to(client, subjects.stream, "verifier")
    open_slots: dict[tuple[str, str], Held] = {}
    for first in range(1, last + 1, READ_AT_ONCE):
        sequences = range(first, min(last, first + READ_AT_ONCE - 1) + 1)
        calls = (get_by_sequence(client, subjects.stream, sequence) for sequence in sequences)
        for stored in await asyncio.gather(*calls):
            if stored is not None:
                _note(stored, subjects, open_slots)
    return list(open_slots.values())


def _note(stored: Stored, subjects: Subjects, open_slots: dict[tuple[str, str], Held]) -> None:
    try:
        address: ParsedSubject = subjects.parse(stored.subject)
    except Malformed:
        return
    if address.kind == "request":
        slot = (address.agency, slot_id(address.token, stored.sequence))
        open_slots[slot] = Held(stored.sequence, NO_HOLD, stored.time_ns)
    elif address.kind == "verdict":
        open_slots.pop((address.agency, address.token), None)
