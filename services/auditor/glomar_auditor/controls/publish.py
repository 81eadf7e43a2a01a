"""Reads from the bus what is in force, and publishes a control in its slot."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from glomar_runtime.bus.connection import BusClient, connected
from glomar_runtime.bus.controls import latest_in_force
from glomar_runtime.bus.stream import get_by_subject
from glomar_schemas.agreement.controls import InForce, apply
from glomar_schemas.errors import Refused, Unreachable
from glomar_schemas.messages import Control
from glomar_schemas.publish import SUBJECT_TAKEN, NotStored, Outgoing, store

from glomar_auditor.controls.draft_file import Draft
from glomar_auditor.controls.settings import OfficialContext


async def in_force(official: OfficialContext) -> InForce:
    """After every control that the stream holds. Raises Unreachable, Fatal."""
    async with _connected(official) as client:
        return await latest_in_force(client, official.versions, official.subjects)


async def publish(official: OfficialContext, control: Control, draft: Draft) -> int:
    """Stores it in its slot -> the stream sequence; for a control that is stored already, the same sequence.

    Raises Refused, and sends nothing, if it would be void or its slot is not the next; Unreachable; TimedOut
    (it may have been stored: publish it again to find out).
    """
    if not draft.signatures:
        raise Refused("nobody has signed it yet", fix="Sign it with: glomar-auditor control sign")
    async with _connected(official) as client:
        state = await latest_in_force(client, official.versions, official.subjects)
        if control.slot <= state.slot:
            return await _stored_before(client, official, control, draft)
        if control.slot > state.slot + 1:
            raise Refused(
                f"slot {control.slot} is not the next one, which is {state.slot + 1}", fix="Draft it again"
            )
        # Its sequence is not known yet. No check uses it.
        applied = apply(state, draft.body, official.versions, official.subjects, 0, datetime.now(UTC))
        if applied.fault:
            raise Refused(f"it would be void: {applied.fault}", fix="Nothing was published")
        try:
            return await store(client, Outgoing(control.subject, draft.body, {}))
        except NotStored as refusal:
            if refusal.err_code != SUBJECT_TAKEN:
                raise
            return await _stored_before(client, official, control, draft)


async def _stored_before(client: BusClient, official: OfficialContext, control: Control, draft: Draft) -> int:
    stored = await get_by_subject(client, official.subjects.stream, control.subject)
    if stored is None or stored.body != draft.body:
        raise Refused(
            f"slot {control.slot} has been taken by another control meanwhile",
            fix="Nothing was published. Draft it again",
        )
    return stored.sequence


@contextlib.asynccontextmanager
async def _connected(official: OfficialContext) -> AsyncIterator[BusClient]:
    async with connected(official.settings, "glomar-auditor control", quiet=False) as client:
        try:
            yield client
        except Unreachable as fault:
            fix = "Only the holder's and the oversight body's accounts carry controls"
            raise Unreachable(fault.what, where=fault.where, fix=fix) from None
