"""From answers to signed verdicts, their outcomes sealed to the auditor. Called by the desk; pure.

What it costs is the same for every outcome.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from glomar_schemas.agreement.controls import InForce
from glomar_schemas.crypto.dsse import Signer, seal_envelope
from glomar_schemas.crypto.sealing import ANSWER_SIZES, TAGS_SIZES, Context, Sealer
from glomar_schemas.messages import Answer, Tags, Verdict, encode
from glomar_schemas.subjects import Subjects
from msgspec import Struct

from glomar_verifier.decisions.open_request import Slot


class Decided(Struct, frozen=True):
    """A signed verdict, ready to be stored in its place. slot: when, which is also its `decided_at`."""

    request_id: str
    subject: str
    body: bytes
    slot: datetime


class Question(Struct, frozen=True):
    """Where the answer goes, and what oversight may count it by."""

    slot: Slot
    tags: Tags


class Clerk:
    """Writes verdicts in the record holder's name."""

    def __init__(self, subjects: Subjects, signer: Signer, version: str) -> None:
        self._subjects = subjects
        self._signer = signer
        self._version = version

    def write(
        self,
        questions: Sequence[Question],
        answers: Sequence[Answer],
        in_force: InForce,
        at: datetime,
        now: datetime,
    ) -> list[Decided]:
        """at: the release slot. One wrapped key for each agency. Raises Untrusted: oversight has no key."""
        if not questions:
            return []
        signed = in_force.require()
        key = signed.ring.sealing_key(signed.agreement.oversight, now)
        sealers = {
            agency: Sealer(key, Context("verdict", signed.agreement.id, agency))
            for agency in {question.slot.agency for question in questions}
        }
        return [
            self._write(question, answer, sealers[question.slot.agency], in_force, at)
            for question, answer in zip(questions, answers, strict=True)
        ]

    def _write(
        self, question: Question, answer: Answer, sealer: Sealer, in_force: InForce, at: datetime
    ) -> Decided:
        slot, plaintext = question.slot, encode(answer)
        subject = self._subjects.verdict(slot.agency, slot.request_id)
        verdict = Verdict(
            request_id=slot.request_id,
            subject=subject,
            request_digest=slot.request_digest,
            agreement_digest=in_force.require().digest,
            control_n=in_force.slot,
            decided_at=at,
            verifier=self._version,
            answer_digest=hashlib.sha256(plaintext).hexdigest(),
            answer=sealer.seal("answer", slot.request_id, plaintext, ANSWER_SIZES),
            tags=sealer.seal("tags", slot.request_id, encode(question.tags), TAGS_SIZES),
        )
        return Decided(slot.request_id, subject, seal_envelope(verdict, [self._signer]), at)
