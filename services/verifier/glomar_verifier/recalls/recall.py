"""Recalls verdicts, and lists which recalls are acknowledged.

The stream is the only memory: each recall is stored once, and so is its acknowledgement.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

from glomar_runtime.bus.stream import Stored, get_by_subject, moment, walk
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.dsse import Signer, open_envelope, require_signer, seal_envelope
from glomar_schemas.errors import Malformed, Refused, Untrusted
from glomar_schemas.messages import Ack, Cause, Recall
from glomar_schemas.publish import SUBJECT_TAKEN, NotStored, Outgoing, store
from glomar_schemas.subjects import Subjects, is_request_id, is_token
from msgspec import Struct
from nats.aio.client import Client

from glomar_verifier.decisions.store_verdicts import OnStored, ignore_stored
from glomar_verifier.recalls.recall_file import RecallTarget


class AlreadyRecalled(Refused):
    """The verdict was recalled before; the first recall stands."""


class StoredRecall(Struct, frozen=True, kw_only=True):
    """A recall that the stream has stored. sequence: in the stream."""

    request_id: str
    agency: str
    cause: Cause
    sequence: int
    recalled_at: datetime


class RecallState(Struct, frozen=True, kw_only=True):
    """A recall and its acknowledgement. acknowledged_at: stream time of the ack; None: outstanding."""

    request_id: str
    agency: str
    cause: Cause
    sequence: int
    recalled_at: datetime
    recalled_by: str
    acknowledged_at: datetime | None = None
    destroyed_at: datetime | None = None
    destroyed_for: str = ""
    certified_by: str = ""


class Recaller:
    """Signs and stores recalls for the record holder. Needs no running verifier."""

    def __init__(
        self,
        client: Client,
        subjects: Subjects,
        signed: SignedAgreement,
        signer: Signer,
        office: str,
        on_stored: OnStored = ignore_stored,
    ) -> None:
        """Raises Untrusted unless the signing key is the holder's and valid now."""
        party, _ = signed.ring.signer(signer.key_id, datetime.now(UTC))
        if party != signed.agreement.holder:
            raise Untrusted(f"the signing key is {party}'s in the agreement", where=signed.agreement.holder)
        self._client = client
        self._subjects = subjects
        self._signer = signer
        self._office = office
        self._on_stored = on_stored

    async def recall(self, target: RecallTarget) -> StoredRecall:
        """Not fenced: no hold stops a recall.

        Raises Malformed (not an id, not an agency), Refused (no verdict), AlreadyRecalled, TimedOut (it may
        be stored; a second call tells), Unreachable.
        """
        if not is_request_id(target.request_id) or not is_token(target.agency):
            raise Malformed("not a request id and an agency", where="recall")
        verdict = await self._read(self._subjects.verdict(target.agency, target.request_id))
        if verdict is None:
            raise Refused(
                "no verdict to recall",
                where=target.request_id,
                fix=f"Check that {target.agency} made this request",
            )
        recall = self._recall(target, verdict)
        try:
            outgoing = Outgoing(recall.subject, seal_envelope(recall, [self._signer]), {})
            sequence = await store(self._client, outgoing)
            self._on_stored([sequence], [outgoing])
        except NotStored as refusal:
            if refusal.err_code != SUBJECT_TAKEN:
                raise
            raise AlreadyRecalled(
                "recalled already", where=target.request_id, fix="The first recall stands"
            ) from None
        return StoredRecall(
            request_id=target.request_id,
            agency=target.agency,
            cause=target.cause,
            sequence=sequence,
            recalled_at=recall.recalled_at,
        )

    def _recall(self, target: RecallTarget, verdict: Stored) -> Recall:
        return Recall(
            request_id=target.request_id,
            subject=self._subjects.recall(target.agency, target.request_id),
            agreement=self._subjects.agreement,
            agency=target.agency,
            verdict_digest=sha256(verdict.body).hexdigest(),
            cause=target.cause,
            recalled_at=datetime.now(UTC),
            recalled_by=self._office,
        )

    async def _read(self, subject: str) -> Stored | None:
        return await get_by_subject(self._client, self._subjects.stream, subject)


async def recall_states(
    client: Client, subjects: Subjects, signed: SignedAgreement
) -> AsyncIterator[RecallState]:
    """Each recall that the holder has signed, in stream order. Raises Unreachable."""
    async for stored in walk(client, subjects.stream, subjects.recall("*", "*")):
        try:
            recall, envelope = open_envelope(stored.body, Recall, stored.subject)
            require_signer(envelope, signed.agreement.holder, signed.ring, moment(stored.time_ns))
        except Refused:
            # Not signed by the holder: it has no effect.
            continue
        subject = subjects.ack(recall.agency, recall.request_id)
        answer = await get_by_subject(client, subjects.stream, subject)
        ack = _ack(answer, subject, signed) if answer else None
        yield RecallState(
            request_id=recall.request_id,
            agency=recall.agency,
            cause=recall.cause,
            sequence=stored.sequence,
            recalled_at=recall.recalled_at,
            recalled_by=recall.recalled_by,
            acknowledged_at=moment(answer.time_ns) if answer and ack else None,
            destroyed_at=ack.destroyed_at if ack else None,
            destroyed_for=ack.cause if ack else "",
            certified_by=ack.certified_by if ack else "",
        )


def _ack(stored: Stored, subject: str, signed: SignedAgreement) -> Ack | None:
    """None if the agency did not sign it: it acknowledges nothing."""
    try:
        ack, envelope = open_envelope(stored.body, Ack, subject)
        require_signer(envelope, ack.agency, signed.ring, moment(stored.time_ns))
    except Refused:
        return None
    return ack
