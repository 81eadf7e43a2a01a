"""Reads the control sequence of a stream, slot by slot, and remembers what is in force at each sequence.

No watcher is needed: the verifier's fence refuses a verdict that was decided before the newest control.
"""

import logging
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator

from glomar_schemas.agreement.controls import Applied, InForce, apply
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.subjects import Subjects
from nats.aio.client import Client

from glomar_runtime.bus.stream import Stored, get_by_subject, moment

log = logging.getLogger(__name__)


class ControlHistory:
    """The controls of one stream in slot order. Fed by `follow`, or by `add` with messages from elsewhere."""

    def __init__(self, versions: Versions, subjects: Subjects) -> None:
        self._versions = versions
        self._subjects = subjects
        self._early: dict[int, Stored] = {}
        self._sequences: list[int] = []
        self._states = [InForce()]
        self.controls: list[Applied] = []

    @property
    def in_force(self) -> InForce:
        """After the last control that is known."""
        return self._states[-1]

    def before(self, sequence: int) -> InForce:
        """What was in force when the stream stored the message with that sequence."""
        return self._states[bisect_left(self._sequences, sequence)]

    def since(self, sequence: int) -> InForce:
        """What is in force from the message with that sequence on. Differs from `before` at a control."""
        return self._states[bisect_right(self._sequences, sequence)]

    async def follow(self, client: Client) -> list[Applied]:
        """Reads and adds each control after the last known one. One caller at a time.

        Raises as `newer_controls`.
        """
        found = [each async for each in newer_controls(client, self.in_force, self._versions, self._subjects)]
        for control in found:
            self._append(control)
        return found

    def add(self, stored: Stored) -> None:
        """Adds a control; one whose slot is too high waits for the slots before it.

        Raises Misconfigured for a version of the agreement that is not installed.
        """
        token = self._subjects.parse(stored.subject).token
        if token.isascii() and token.isdecimal():
            self._early[int(token)] = stored
        while (found := self._early.pop(self.in_force.slot + 1, None)) is not None:
            self._append(_apply(self.in_force, found, self._versions, self._subjects))

    def _append(self, control: Applied) -> None:
        # A slot can be filled before an earlier one; it counts once all slots before it are filled.
        self._sequences.append(max([*self._sequences[-1:], control.sequence]))
        self._states.append(control.in_force)
        self.controls.append(control)


async def newer_controls(
    client: Client, state: InForce, versions: Versions, subjects: Subjects
) -> AsyncIterator[Applied]:
    """Each control after `state`. Raises Unreachable; Misconfigured for a version that is not installed."""
    while True:
        stored = await get_by_subject(client, subjects.stream, subjects.control(state.slot + 1))
        if stored is None:
            return
        control = _apply(state, stored, versions, subjects)
        yield control
        state = control.in_force


async def latest_in_force(client: Client, versions: Versions, subjects: Subjects) -> InForce:
    """What is in force after every control that the stream holds. Raises as `newer_controls`."""
    state = InForce()
    async for control in newer_controls(client, state, versions, subjects):
        state = control.in_force
    return state


def log_control(control: Applied) -> None:
    """Logs one line for a control that a service has read."""
    if control.fault:
        log.error("a control is void", extra={"sequence": control.sequence, "fault": control.fault})
    else:
        count = len(control.in_force.holds)
        log.info("a control is in force", extra={"sequence": control.sequence, "count": count})


def _apply(state: InForce, stored: Stored, versions: Versions, subjects: Subjects) -> Applied:
    return apply(state, stored.body, versions, subjects, stored.sequence, moment(stored.time_ns))
