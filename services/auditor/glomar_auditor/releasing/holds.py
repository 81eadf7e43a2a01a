"""What a hold keeps from being released: decided before it and not yet handed out, or stored behind it.

Called by the app before anything is released. The verifier's fence keeps an honest holder from answering
behind a hold; this also keeps back what a dishonest one stored.
"""

import asyncio
import logging
from collections.abc import Sequence

from glomar_runtime.bus.controls import ControlHistory, log_control
from glomar_runtime.bus.stream import Stored, get_by_subject
from glomar_schemas.agreement.controls import Hold, InForce
from glomar_schemas.agreement.keyholder import Keyholder
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.crypto.sealing import Context
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Request, Tags, Verdict
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from nats.aio.client import Client

log = logging.getLogger(__name__)


class Scope(Struct, frozen=True):
    """What a hold's scope is compared with."""

    agency: str
    jurisdiction: str
    person: str

    def under(self, in_force: InForce) -> Hold | None:
        return in_force.hold_on(self.agency, self.jurisdiction, self.person)


class Withholding:
    """The controls of the stream, as far as they go, and what was in force at each of its sequences."""

    def __init__(self, versions: Versions, subjects: Subjects, keyholder: Keyholder) -> None:
        self.controls = ControlHistory(versions, subjects)
        self._subjects = subjects
        self._keyholder = keyholder
        self._one_at_a_time = asyncio.Lock()
        self._violations: dict[int, None] = {}

    @property
    def in_force(self) -> InForce:
        """After the last control that was read."""
        return self.controls.in_force

    @property
    def violations(self) -> list[int]:
        """Sequences of verdicts behind a hold, in the order in which they were found since the start."""
        return list(self._violations)

    async def releasable(self, client: Client, recorded: Sequence[Stored]) -> list[Stored]:
        """The verdicts among recorded messages that no hold covers. Raises Unreachable, IntegrityError.

        No hold that the stream had stored when this was called is missed.
        """
        verdicts = [message for message in recorded if self._is_verdict(message)]
        scopes: dict[int, Scope] = {}
        while verdicts:
            await self.follow(client)
            unknown = [each for each in verdicts if each.sequence not in scopes and self._is_doubtful(each)]
            if not unknown:
                # Nothing may be awaited from here to the release: a hold could come in between.
                break
            found = await asyncio.gather(*(self._scope(client, each) for each in unknown))
            scopes.update(zip((each.sequence for each in unknown), found, strict=True))
        return [
            each
            for each in verdicts
            if each.sequence not in scopes or self._is_free(each.sequence, scopes[each.sequence])
        ]

    async def follow(self, client: Client) -> None:
        """Asks the stream itself, since a hold may stand behind what has been recorded so far.

        Raises Misconfigured if oversight has no private key to a sealing key in force.
        """
        async with self._one_at_a_time:
            read = await self.controls.follow(client)
            for control in read:
                log_control(control)
            if read and self.in_force.signed is not None:
                # Only after all are read: a key that an early control named may have been destroyed since.
                self._keyholder.follow(self.in_force)

    def _is_doubtful(self, verdict: Stored) -> bool:
        """Some hold was in force when it was stored, or is now; where none was, nothing is looked up."""
        return bool(self.controls.before(verdict.sequence).holds or self.in_force.holds)

    def _is_free(self, sequence: int, scope: Scope) -> bool:
        if scope.under(self.controls.before(sequence)) is not None:
            # For ever: it was decided or stored against a hold, and lifting that does not mend it.
            if sequence not in self._violations:
                log.error("violation: a verdict behind a hold", extra={"sequence": sequence})
            self._violations[sequence] = None
            return False
        if scope.under(self.in_force) is not None:
            log.info("withheld under a hold", extra={"sequence": sequence})
            return False
        return True

    async def _scope(self, client: Client, verdict: Stored) -> Scope:
        address = self._subjects.parse(verdict.subject)
        return Scope(
            address.agency,
            await self._jurisdiction(client, address.agency, address.token),
            self._person(verdict, address.agency),
        )

    async def _jurisdiction(self, client: Client, agency: str, request_id: str) -> str:
        subject = self._subjects.request(agency, request_id)
        stored = await get_by_subject(client, self._subjects.stream, subject)
        try:
            return open_envelope(stored.body, Request, subject)[0].jurisdiction if stored else ""
        except Refused:
            return ""

    def _person(self, stored: Stored, agency: str) -> str:
        try:
            verdict, _ = open_envelope(stored.body, Verdict, stored.subject)
            context = Context("verdict", self._subjects.agreement, agency)
            return decode(
                self._keyholder.opener.open(verdict.tags, context, "tags", verdict.request_id),
                Tags,
                what="tags",
            ).person
        except Refused:
            return ""

    def _is_verdict(self, message: Stored) -> bool:
        try:
            return self._subjects.parse(message.subject).kind == "verdict"
        except Refused:
            return False
