"""Decides requests: read, count, gate, and only if every condition holds, match. Called by the worker.

Takes stored messages and the time, returns signed verdicts; it publishes and acknowledges nothing.
"""

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime, timedelta

from glomar_runtime.delivery import Stored, moment
from glomar_runtime.telemetry import Spans
from glomar_schemas.agreement import SignedAgreement
from glomar_schemas.controls import Hold, InForce
from glomar_schemas.envelope import Signer, seal_envelope
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Answer, Refusal, Tags, Verdict, encode
from glomar_schemas.sealing import ANSWER_SIZES, TAGS_SIZES, Context, Opener, Sealer
from glomar_schemas.subjects import Subjects
from glomar_schemas.versions import Versions
from msgspec import Struct
from opentelemetry.trace import Span

from glomar_verifier.conform import check
from glomar_verifier.counts import Ask, Counts
from glomar_verifier.facts import Counted, Registry
from glomar_verifier.gate import Gate
from glomar_verifier.reading import MALFORMED, Readable, Slot, Unreadable, read
from glomar_verifier.register import Register
from glomar_verifier.roll import Rolls
from glomar_verifier.rules import Rules
from glomar_verifier.tags import Tagger


class Decided(Struct, frozen=True):
    """A signed verdict, ready to be stored in its slot."""

    request_id: str
    subject: str
    body: bytes


class Work(Struct, frozen=True):
    """One request to be decided. waited: how long it stood under holds, which its expiry does not count."""

    stored: Stored
    span: Span
    waited: timedelta = timedelta(0)


class Law(Struct, frozen=True):
    """One version of the agreement, ready to be applied."""

    gate: Gate
    registry: Registry


class Desk:
    """Everything that a decision rests on, for one agreement in all its installed versions."""

    def __init__(
        self,
        versions: Versions,
        subjects: Subjects,
        *,
        rules: Rules,
        register: Register,
        counts: Counts,
        rolls: Rolls,
        tagger: Tagger,
        opener: Opener,
        signer: Signer,
        version: str,
    ) -> None:
        self._subjects = subjects
        # Compiled now, so that a version that comes into force is followed at once.
        self._laws = {
            digest: Law(Gate(signed.agreement, rules), Registry(signed.agreement))
            for digest, signed in versions.by_digest.items()
        }
        self._rules = rules
        self._register = register
        self._counts = counts
        self._rolls = rolls
        self._tagger = tagger
        self._opener = opener
        self._signer = signer
        self._version = version

    def decide(
        self, work: Sequence[Work], in_force: InForce, now: datetime, spans: Spans
    ) -> list[Decided | Hold]:
        """For each request, in order, its verdict, or the hold that covers it.

        now: the time that the conditions count from. Raises Untrusted when the agreement is not in force or
        oversight has no valid sealing key.
        """
        signed = in_force.require()
        signed.require_in_force(now)
        readings = [self._read(item.stored, signed) for item in work]
        tags = [self._tags(reading) for reading in readings]
        holds = [_hold_on(*pair, in_force) for pair in zip(readings, tags, strict=True)]
        # What waits under a hold is counted when it is decided, and not twice.
        free = [at for at, hold in enumerate(holds) if hold is None]
        counted = self._count(
            [readings[at] for at in free], [tags[at] for at in free], [work[at] for at in free]
        )
        sealers: dict[str, Sealer] = {}
        decided: list[Decided | Hold] = []
        for reading, tag, item, hold in zip(readings, tags, work, holds, strict=True):
            if hold is not None:
                decided.append(hold)
                continue
            if isinstance(reading, Unreadable):
                answer = _refused((reading.refusal,))
            else:
                answer = self._judge(reading, counted[reading.slot.sequence], in_force, now, spans, item)
            agency = reading.slot.agency
            if agency not in sealers:
                sealers[agency] = _sealer(signed, agency, now)
            decided.append(self._sign(reading.slot, answer, tag, sealers[agency], in_force, now))
        return decided

    def _read(self, message: Stored, signed: SignedAgreement) -> Readable | Unreadable:
        at = moment(message.time_ns)
        return read(message.subject, message.body, message.sequence, at, signed, self._subjects, self._opener)

    def _tags(self, reading: Readable | Unreadable) -> Tags:
        if isinstance(reading, Unreadable):
            return Tags()
        return self._tagger.tags(reading.slot.agency, reading.particulars, self._rules)

    def _count(
        self, readings: Sequence[Readable | Unreadable], tags: Sequence[Tags], work: Sequence[Work]
    ) -> dict[int, Counted]:
        """Counts every readable request, so that refused attempts count too. sequence -> counted."""
        asks = {
            reading.slot.sequence: Ask(
                request_id=reading.slot.request_id,
                digest=reading.slot.request_digest,
                agency=reading.slot.agency,
                officer=reading.request.officer.id,
                tags=tag,
                at_ns=item.stored.time_ns,
            )
            for reading, tag, item in zip(readings, tags, work, strict=True)
            if isinstance(reading, Readable)
        }
        return dict(zip(asks, self._counts.observe_batch(list(asks.values())), strict=True))

    def _judge(
        self,
        reading: Readable,
        counted: Counted,
        in_force: InForce,
        now: datetime,
        spans: Spans,
        item: Work,
    ) -> Answer:
        request, law = reading.request, self._laws[in_force.require().digest]
        with spans.step("gate", item.span):
            # A request that was stored before a new version came need not have known it.
            current = request.agreement_digest == in_force.digest_at(item.stored.sequence)
            today = law.gate.today(now)
            engagement = self._rolls.engagement(
                reading.slot.agency, reading.particulars.case_id, request.officer.id, today
            )
            facts = law.registry.facts(
                request, counted, engagement, today, agreement_current=current, held=item.waited
            )
            refusals = law.gate.refusals(request, reading.particulars, facts, now)
        if refusals:
            return _refused(refusals)
        with spans.step("match", item.span):
            try:
                finding = check(self._register, reading.particulars, request.tax_periods, self._rules)
            except Malformed as fault:
                # No normal form: found out before the lookup, so it is a refusal with a reason.
                refusal = Refusal(condition=MALFORMED, citation="PROTOCOL, Decoding", message=str(fault))
                return _refused((refusal,))
        return Answer(outcome=finding.outcome, record_consulted=True, salt=os.urandom(16))

    def _sign(
        self, slot: Slot, answer: Answer, tags: Tags, sealer: Sealer, in_force: InForce, now: datetime
    ) -> Decided:
        plaintext = encode(answer)
        subject = self._subjects.verdict(slot.agency, slot.request_id)
        verdict = Verdict(
            request_id=slot.request_id,
            subject=subject,
            request_digest=slot.request_digest,
            agreement_digest=in_force.require().digest,
            control_n=in_force.slot,
            decided_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
            verifier=self._version,
            answer_digest=hashlib.sha256(plaintext).hexdigest(),
            answer=sealer.seal("answer", slot.request_id, plaintext, ANSWER_SIZES),
            tags=sealer.seal("tags", slot.request_id, encode(tags), TAGS_SIZES),
        )
        return Decided(slot.request_id, subject, seal_envelope(verdict, [self._signer]))


def _sealer(signed: SignedAgreement, agency: str, now: datetime) -> Sealer:
    key = signed.ring.sealing_key(signed.agreement.oversight, now)
    return Sealer(key, Context("verdict", signed.agreement.id, agency))


def _refused(refusals: tuple[Refusal, ...]) -> Answer:
    return Answer(outcome="deny", record_consulted=False, refusals=refusals, salt=os.urandom(16))


def _hold_on(reading: Readable | Unreadable, tags: Tags, in_force: InForce) -> Hold | None:
    jurisdiction = reading.request.jurisdiction if isinstance(reading, Readable) else ""
    return in_force.hold_on(reading.slot.agency, jurisdiction, tags.person)
