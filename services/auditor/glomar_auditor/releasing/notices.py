"""Notices to agencies: recalls of their answers, and the controls that concern them.

A notice carries the leaf and its receipt, so that an agency can verify it without trust in the auditor.
"""

from collections.abc import Iterator, Sequence

from glomar_runtime.bus.stream import Stored, next_by_subject
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Notice, Notices, encode
from glomar_schemas.subjects import MAX_NOTICE_BYTES, Subjects
from glomar_schemas.tlog.leaf import encode as encode_leaf
from nats.aio.client import Client

from glomar_auditor.ledger.ledger import Ledger, stored_leaf
from glomar_auditor.releasing.holds import Holds
from glomar_auditor.releasing.recalls import open_recall

MAX_READS_PER_PAGE = 200
"""Messages that are read for one page; the agency then asks for the next page."""
_EMPTY_PAGE_BYTES = 200


class AgencyNotices:
    """Stateless: recalls and controls are read from the stream by their subjects."""

    def __init__(self, ledger: Ledger, subjects: Subjects, holds: Holds, agencies: Sequence[str]) -> None:
        self._ledger = ledger
        self._subjects = subjects
        self._holds = holds
        self._agencies = agencies

    async def pushes(self, client: Client, recorded: Sequence[Stored]) -> list[tuple[str, Notice]]:
        """(agency, notice) for each recorded message that concerns an agency. Raises Unreachable."""
        sources = [message for message in recorded if self._kind(message) in ("recall", "control")]
        if not sources:
            return []
        await self._holds.follow(client)
        return [(agency, self._notice(message)) for message in sources for agency in self._concerned(message)]

    async def page(self, client: Client, agency: str, after: int) -> Notices:
        """The agency's notices after that sequence, up to the end of the ledger. Raises Unreachable."""
        size = self._ledger.size
        await self._holds.follow(client)
        subjects = (self._subjects.recall(agency, "*"), self._subjects.control("*"))
        # The next message of each subject; the one with the lower sequence is taken first.
        ahead = {subject: await self._next(client, subject, after) for subject in subjects}
        notices: list[Notice] = []
        used = _EMPTY_PAGE_BYTES
        for _ in range(MAX_READS_PER_PAGE):
            by_sequence = {found.sequence: subject for subject, found in ahead.items() if found}
            subject = by_sequence.get(min(by_sequence, default=0), "")
            message = ahead.get(subject)
            if message is None or message.sequence > size:
                return Notices(notices=tuple(notices), through=max(size, after), more=False)
            if agency in self._concerned(message):
                notice = self._notice(message)
                used += len(encode(notice)) + 1
                if notices and used > MAX_NOTICE_BYTES:
                    break
                notices.append(notice)
            after = message.sequence
            ahead[subject] = await self._next(client, subject, after)
        return Notices(notices=tuple(notices), through=after, more=True)

    async def _next(self, client: Client, subject: str, after: int) -> Stored | None:
        return await next_by_subject(client, self._subjects.stream, subject, after + 1)

    def _concerned(self, message: Stored) -> Iterator[str]:
        controls = self._holds.controls
        before, after = controls.before(message.sequence), controls.since(message.sequence)
        if self._kind(message) == "recall":
            if (recall := open_recall(message, after)) is not None:
                yield recall.agency
        else:
            yield from (agency for agency in self._agencies if concerns(before, after, agency))

    def _notice(self, message: Stored) -> Notice:
        return Notice(
            leaf=encode_leaf(stored_leaf(message)),
            body=message.body,
            receipt=self._ledger.receipt(message.sequence - 1).encode(),
        )

    def _kind(self, message: Stored) -> str:
        try:
            return self._subjects.parse(message.subject).kind
        except Refused:
            return ""


def concerns(before: InForce, after: InForce, agency: str) -> bool:
    """Whether the control between these two states concerns an agency.

    A void control concerns no agency. Nor does a hold on another agency or on a person, or its lift.
    """
    scopes = [hold.scope.partition(":") for hold in {*before.holds} ^ {*after.holds}]
    if scopes:
        return any(
            kind in ("all", "jurisdiction") or (kind, name) == ("agency", agency) for kind, _, name in scopes
        )
    return (before.signed, before.added, before.shredded) != (after.signed, after.added, after.shredded)
