"""What agencies are told of: recalls of their answers, and controls that concern them. Called by the app.

A notice carries the ledger's entry and its receipt, so that nobody need take the auditor's word for it.
"""

from collections.abc import Iterator, Sequence

from glomar_runtime.bus.stream import Stored, next_by_subject
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Notice, Notices, encode
from glomar_schemas.subjects import MAX_NOTICE_BYTES, Subjects
from glomar_schemas.tlog.leaf import encode as encode_leaf
from nats.aio.client import Client

from glomar_auditor.ledger.ledger import Ledger
from glomar_auditor.releasing.holds import Withholding
from glomar_auditor.releasing.recalls import open_recall
from glomar_auditor.releasing.release import stored_leaf

LOOKS_PER_PAGE = 200
"""Messages that are looked at for one page; an agency then asks on."""
_FRAME_BYTES = 200
"""Of a page, without its notices."""


class Noticing:
    """Nothing is kept: the stream finds recalls and controls by their subjects."""

    def __init__(
        self, ledger: Ledger, subjects: Subjects, withholding: Withholding, agencies: Sequence[str]
    ) -> None:
        self._ledger = ledger
        self._subjects = subjects
        self._withholding = withholding
        self._agencies = agencies

    async def pushes(self, client: Client, recorded: Sequence[Stored]) -> list[tuple[str, Notice]]:
        """Agency and notice, for each recorded message that an agency is told of. Raises Unreachable."""
        told = [message for message in recorded if self._kind(message) in ("recall", "control")]
        if not told:
            return []
        await self._withholding.follow(client)
        return [(agency, self._notice(message)) for message in told for agency in self._concerned(message)]

    async def page(self, client: Client, agency: str, after: int) -> Notices:
        """What that agency is told of behind that sequence, as far as the ledger goes. Raises Unreachable."""
        size = self._ledger.size
        await self._withholding.follow(client)
        walked = (self._subjects.recall(agency, "*"), self._subjects.control("*"))
        ahead = {subject: await self._next(client, subject, after) for subject in walked}
        notices: list[Notice] = []
        used = _FRAME_BYTES
        for _ in range(LOOKS_PER_PAGE):
            waiting = {found.sequence: subject for subject, found in ahead.items() if found}
            subject = waiting.get(min(waiting, default=0), "")
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
        controls = self._withholding.controls
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
    """Whether an agency is told of the control between these two states.

    It is not told of a void one, of a hold of another agency or of a person, nor that such a one is lifted.
    """
    scopes = [hold.scope.partition(":") for hold in {*before.holds} ^ {*after.holds}]
    if scopes:
        return any(
            kind in ("all", "jurisdiction") or (kind, name) == ("agency", agency) for kind, _, name in scopes
        )
    return (before.signed, before.added, before.shredded) != (after.signed, after.added, after.shredded)
