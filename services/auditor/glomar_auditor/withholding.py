"""What a hold keeps from being released: decided before it and not yet handed out, or stored behind it.

Called by the app before anything is released. The verifier's fence keeps an honest holder from answering
behind a hold; this also keeps back what a dishonest one stored.
"""

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from glomar_runtime.delivery import Stored, get_by_subject, moment
from glomar_schemas.controls import Hold, InForce, apply
from glomar_schemas.decoding import decode
from glomar_schemas.envelope import open_envelope
from glomar_schemas.errors import Refused
from glomar_schemas.keyholder import Keyholder
from glomar_schemas.messages import Request, Tags, Verdict
from glomar_schemas.sealing import Context
from glomar_schemas.subjects import Subjects
from glomar_schemas.versions import Versions
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
        self._versions = versions
        self._subjects = subjects
        self._keyholder = keyholder
        self._sequences = [0]
        self._states = [InForce()]

    @property
    def in_force(self) -> InForce:
        """As far as the stream has been followed."""
        return self._states[-1]

    async def releasable(self, client: Client, recorded: Sequence[Stored]) -> list[Stored]:
        """The verdicts among recorded messages that no hold covers. Raises Unreachable, IntegrityError."""
        verdicts = [message for message in recorded if self._is_verdict(message)]
        if not verdicts:
            return []
        await self.follow(client)
        if not any(state.holds for state in self._states):
            return verdicts
        return [verdict for verdict in verdicts if await self._is_free(client, verdict)]

    def around(self, sequence: int) -> tuple[InForce, InForce]:
        """What was in force before the message with that sequence, and from it on."""
        before, after = (bisect(self._sequences, sequence) - 1 for bisect in (bisect_left, bisect_right))
        return self._states[max(before, 0)], self._states[after]

    async def follow(self, client: Client) -> None:
        """Asks the stream itself, since a hold may stand behind what has been recorded so far.

        Raises Misconfigured if oversight has no private key to a sealing key in force.
        """
        known = self.in_force.slot
        while True:
            state = self._states[-1]
            subject = self._subjects.control(state.slot + 1)
            stored = await get_by_subject(client, self._subjects.stream, subject)
            if stored is None:
                break
            applied = apply(
                state,
                stored.body,
                self._versions,
                self._subjects,
                stored.sequence,
                moment(stored.time_ns),
            )
            if applied.fault:
                log.error("a control is void", extra={"sequence": stored.sequence, "fault": applied.fault})
            self._sequences.append(stored.sequence)
            self._states.append(applied.in_force)
        if self.in_force.slot > known and self.in_force.signed is not None:
            # Once all are read: a key that the first controls named may have been destroyed since.
            self._keyholder.follow(self.in_force)

    async def _is_free(self, client: Client, verdict: Stored) -> bool:
        scope = await self._scope(client, verdict)
        _, then = self.around(verdict.sequence)
        if scope.under(then) is not None:
            # For ever: it was decided or stored against a hold, and lifting that does not mend it.
            log.error("violation: a verdict behind a hold", extra={"sequence": verdict.sequence})
            return False
        if scope.under(self._states[-1]) is not None:
            log.info("withheld under a hold", extra={"sequence": verdict.sequence})
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
