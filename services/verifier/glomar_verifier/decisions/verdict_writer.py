"""Writes signed verdicts, their outcomes sealed to the auditor, and sets when they are released. Pure.

The work is the same for every outcome.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from glomar_schemas.agreement.controls import InForce
from glomar_schemas.crypto.dsse import Signer, seal_envelope
from glomar_schemas.crypto.sealing import ANSWER_SIZES, TAGS_SIZES, Context, Sealer
from glomar_schemas.messages import Answer, Tags, Verdict, encode
from glomar_schemas.subjects import Subjects
from msgspec import Struct

from glomar_verifier.decisions.open_request import RequestRef

RELEASE_INTERVAL = timedelta(milliseconds=5)
ALLOWANCE = timedelta(milliseconds=3)
"""Time allowed for deciding and signing a lone request, whatever the outcome. A large batch takes longer."""

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class VerdictDraft(Struct, frozen=True):
    """tags: what oversight may count the request by."""

    ref: RequestRef
    tags: Tags
    answer: Answer


class SignedVerdict(Struct, frozen=True):
    """A verdict that is ready to be stored. release_time: when it may be stored; also its `decided_at`."""

    request_id: str
    subject: str
    body: bytes
    release_time: datetime


def release_time(began: datetime, ended: datetime) -> datetime:
    """The first multiple of RELEASE_INTERVAL that is after the allowance and after the end of the decision.

    The duration of a lookup could show its result; the release time does not depend on it.
    """
    earliest = max(began + ALLOWANCE, ended)
    return earliest + (_EPOCH - earliest) % RELEASE_INTERVAL


class VerdictWriter:
    """Signs verdicts with the record holder's key."""

    def __init__(self, subjects: Subjects, signer: Signer, version: str) -> None:
        self._subjects = subjects
        self._signer = signer
        self._version = version

    def write(
        self, drafts: Sequence[VerdictDraft], in_force: InForce, release_time: datetime, now: datetime
    ) -> list[SignedVerdict]:
        """Wraps one key for each agency. Raises Untrusted if oversight has no valid sealing key."""
        if not drafts:
            return []
        signed = in_force.require()
        key = signed.ring.sealing_key(signed.agreement.oversight, now)
        sealers = {
            agency: Sealer(key, Context("verdict", signed.agreement.id, agency))
            for agency in {draft.ref.agency for draft in drafts}
        }
        return [self._write(draft, sealers[draft.ref.agency], in_force, release_time) for draft in drafts]

    def _write(
        self, draft: VerdictDraft, sealer: Sealer, in_force: InForce, release_time: datetime
    ) -> SignedVerdict:
        ref, plaintext = draft.ref, encode(draft.answer)
        subject = self._subjects.verdict(ref.agency, ref.request_id)
        verdict = Verdict(
            request_id=ref.request_id,
            subject=subject,
            request_digest=ref.request_digest,
            agreement_digest=in_force.require().digest,
            control_n=in_force.slot,
            decided_at=release_time,
            verifier=self._version,
            answer_digest=hashlib.sha256(plaintext).hexdigest(),
            answer=sealer.seal("answer", ref.request_id, plaintext, ANSWER_SIZES),
            tags=sealer.seal("tags", ref.request_id, encode(draft.tags), TAGS_SIZES),
        )
        return SignedVerdict(ref.request_id, subject, seal_envelope(verdict, [self._signer]), release_time)
