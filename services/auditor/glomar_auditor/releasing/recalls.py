"""Which verdicts the record holder has taken back: none of them is released any more. Called by the app.

Derived from the stream: what is recorded is taken as it comes, and what was missed is walked.
"""

import asyncio
import logging
from collections.abc import Sequence

from glomar_runtime.bus.stream import Stored, moment, walk
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Recall
from glomar_schemas.subjects import Subjects
from nats.aio.client import Client

from glomar_auditor.releasing.holds import Withholding

log = logging.getLogger(__name__)


class Recalls:
    """Agency and request id of each recall that counts, as far as the ledger goes."""

    def __init__(self, subjects: Subjects, withholding: Withholding) -> None:
        self._subjects = subjects
        self._withholding = withholding
        self._recalled: set[tuple[str, str]] = set()
        self._through = 0
        self._one_at_a_time = asyncio.Lock()

    async def note(self, client: Client, recorded: Sequence[Stored], size: int) -> None:
        """Returns once every recall of the ledger is known. recorded: its newest messages; size: its own.

        Raises Unreachable, Misconfigured.
        """
        async with self._one_at_a_time:
            if self._through >= size:
                return
            every = self._subjects.recall("*", "*")
            if recorded and (recorded[0].sequence, recorded[-1].sequence) == (self._through + 1, size):
                prefix = every.removesuffix("*.*")
                fresh = [message for message in recorded if message.subject.startswith(prefix)]
            else:
                walked = walk(client, self._subjects.stream, every, self._through)
                fresh = [message async for message in walked if message.sequence <= size]
            if fresh:
                await self._withholding.follow(client)
            for message in fresh:
                self._add(message)
            self._through = size

    def standing(self, verdicts: Sequence[Stored]) -> list[Stored]:
        """Those that were not taken back."""
        if not self._recalled:
            return list(verdicts)
        found = []
        for verdict in verdicts:
            address = self._subjects.parse(verdict.subject)
            if (address.agency, address.token) in self._recalled:
                log.info("withheld: recalled", extra={"sequence": verdict.sequence})
            else:
                found.append(verdict)
        return found

    def _add(self, stored: Stored) -> None:
        in_force = self._withholding.controls.before(stored.sequence)
        if (recall := open_recall(stored, in_force)) is not None:
            self._recalled.add((recall.agency, recall.request_id))


def open_recall(stored: Stored, in_force: InForce) -> Recall | None:
    """None unless the record holder signed it: then it is recorded, and changes nothing."""
    signed = in_force.signed
    if signed is None:
        return None
    try:
        recall, envelope = open_envelope(stored.body, Recall, stored.subject)
        require_signer(envelope, signed.agreement.holder, signed.ring, moment(stored.time_ns))
    except Refused as fault:
        log.error("a recall is void", extra={"sequence": stored.sequence, "fault": fault.what})
        return None
    return recall
