"""Decides requests: read, count, gate, and only if every condition holds, match. Called by the worker.

Takes stored messages and a clock, returns signed verdicts; it publishes and acknowledges nothing.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
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
from msgspec import Struct
from opentelemetry.trace import Span

from glomar_verifier.conform import normal_query
from glomar_verifier.counts import Ask, Counts, Lookup
from glomar_verifier.disclosure import outcome
from glomar_verifier.facts import Counted, Registry
from glomar_verifier.gate import Gate
from glomar_verifier.match import Finding, Query, decide
from glomar_verifier.reading import MALFORMED, Readable, Slot, Unreadable, read
from glomar_verifier.register import Register
from glomar_verifier.rules import Rules
from glomar_verifier.slots import release_slot
from glomar_verifier.tags import Tagger
from glomar_verifier.veto import VetoList

Clock = Callable[[], datetime]


class Decided(Struct, frozen=True):
    """A signed verdict, ready to be stored under its subject once the clock shows its release slot."""

    request_id: str
    subject: str
    body: bytes
    slot: datetime


class Work(Struct, frozen=True):
    """One request to be decided. waited: how long it stood under holds, which its expiry does not count."""

    stored: Stored
    span: Span
    waited: timedelta = timedelta(0)


class Found(Struct, frozen=True):
    """What the register says to one request, before the last word about it."""

    query: Query
    finding: Finding


class Desk:
    """Everything that a decision rests on, for one agreement."""

    def __init__(
        self,
        signed: SignedAgreement,
        subjects: Subjects,
        *,
        rules: Rules,
        register: Register,
        counts: Counts,
        veto: VetoList,
        tagger: Tagger,
        opener: Opener,
        signer: Signer,
        version: str,
    ) -> None:
        self._signed = signed
        self._subjects = subjects
        self._gate = Gate(signed.agreement, rules)
        self._registry = Registry(signed.agreement, signed.digest)
        self._rules = rules
        self._register = register
        self._form = register.info().address_form
        self._counts = counts
        self._veto = veto
        self._tagger = tagger
        self._opener = opener
        self._signer = signer
        self._version = version

    def decide(
        self, work: Sequence[Work], in_force: InForce, clock: Clock, spans: Spans
    ) -> list[Decided | Hold]:
        """For each request, in order, its verdict, or the hold that covers it.

        clock: what it shows at first is the time that the conditions count from. Raises Untrusted when the
        agreement is not in force or oversight has no valid sealing key.
        """
        now = clock()
        self._signed.require_in_force(now)
        self._veto.follow()
        readings = [self._read(item.stored) for item in work]
        tags = [self._tags(reading) for reading in readings]
        holds = [_hold_on(*pair, in_force) for pair in zip(readings, tags, strict=True)]
        # What waits under a hold is counted when it is decided, and not twice.
        free = [at for at, hold in enumerate(holds) if hold is None]
        counted = self._count(
            [readings[at] for at in free], [tags[at] for at in free], [work[at] for at in free]
        )
        began = clock()
        judged = [self._judge(readings[at], counted, now, spans, work[at]) for at in free]
        answers = self._last_word([readings[at] for at in free], judged, [work[at] for at in free], now)
        slot = release_slot(began, clock())
        questions = [(readings[at].slot, tags[at]) for at in free]
        decided = self._seal(questions, answers, in_force.slot, slot, now)
        of_place = dict(zip(free, decided, strict=True))
        return [of_place[at] if hold is None else hold for at, hold in enumerate(holds)]

    def _read(self, message: Stored) -> Readable | Unreadable:
        at = moment(message.time_ns)
        return read(
            message.subject, message.body, message.sequence, at, self._signed, self._subjects, self._opener
        )

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
                address=self._tagger.address_of(reading.particulars, self._rules, self._form),
                day=self._gate.today(moment(item.stored.time_ns)).isoformat(),
                at_ns=item.stored.time_ns,
            )
            for reading, tag, item in zip(readings, tags, work, strict=True)
            if isinstance(reading, Readable)
        }
        return dict(zip(asks, self._counts.observe_batch(list(asks.values())), strict=True))

    def _judge(
        self,
        reading: Readable | Unreadable,
        counted: Mapping[int, Counted],
        now: datetime,
        spans: Spans,
        item: Work,
    ) -> Found | tuple[Refusal, ...]:
        """What the register says, or why it may not be asked."""
        if isinstance(reading, Unreadable):
            return (reading.refusal,)
        request = reading.request
        with spans.step("gate", item.span):
            facts = self._registry.facts(
                request, counted[reading.slot.sequence], self._gate.today(now), held=item.waited
            )
            refusals = self._gate.refusals(request, reading.particulars, facts, now)
        if refusals:
            return refusals
        with spans.step("match", item.span):
            try:
                query = normal_query(reading.particulars, request.tax_periods, self._rules, self._form)
            except Malformed as fault:
                # No normal form: found out before the lookup, so it is a refusal with a reason.
                return (Refusal(condition=MALFORMED, citation="PROTOCOL, Decoding", message=str(fault)),)
            return Found(query, decide(self._register.candidates(query), query, self._rules))

    def _last_word(
        self,
        readings: Sequence[Readable | Unreadable],
        judged: Sequence[Found | tuple[Refusal, ...]],
        work: Sequence[Work],
        now: datetime,
    ) -> list[Answer]:
        """Every lookup is counted, and whatever forbids a confirmation makes it the one deny."""
        looked_up = {at: found for at, found in enumerate(judged) if isinstance(found, Found)}
        lookups = [self._lookup(readings[at].slot, found, work[at]) for at, found in looked_up.items()]
        addresses = dict(zip(looked_up, self._counts.observe_lookups(lookups), strict=True))
        limit, today = self._signed.agreement.limits.addresses_per_person, self._gate.today(now)
        answers = []
        for at, found in enumerate(judged):
            salt = os.urandom(16)
            if isinstance(found, Found):
                vetoed = self._veto.covers(found.finding.person, today)
                word = outcome(found.finding, addresses=addresses[at], most_addresses=limit, vetoed=vetoed)
                answers.append(Answer(outcome=word, record_consulted=True, salt=salt))
            else:
                answers.append(Answer(outcome="deny", record_consulted=False, refusals=found, salt=salt))
        return answers

    def _lookup(self, slot: Slot, found: Found, item: Work) -> Lookup:
        name, address = found.query.name, found.query.address
        return Lookup(
            agency=slot.agency,
            request_id=slot.request_id,
            asked=self._tagger.name(slot.agency, name, self._rules),
            meant=tuple(self._tagger.name(slot.agency, one, self._rules) for one in found.finding.names),
            address=self._tagger.address(address),
            at_ns=item.stored.time_ns,
        )

    def _seal(
        self,
        questions: Sequence[tuple[Slot, Tags]],
        answers: Sequence[Answer],
        control_n: int,
        at: datetime,
        now: datetime,
    ) -> list[Decided]:
        """at: the release slot. One wrapped key for each agency."""
        if not questions:
            return []
        agreement = self._signed.agreement
        key = self._signed.ring.sealing_key(agreement.oversight, now)
        sealers = {
            agency: Sealer(key, Context("verdict", agreement.id, agency))
            for agency in {slot.agency for slot, _ in questions}
        }
        return [
            self._sign(slot, answer, tags, sealers[slot.agency], control_n, at)
            for (slot, tags), answer in zip(questions, answers, strict=True)
        ]

    def _sign(
        self, slot: Slot, answer: Answer, tags: Tags, sealer: Sealer, control_n: int, at: datetime
    ) -> Decided:
        plaintext = encode(answer)
        subject = self._subjects.verdict(slot.agency, slot.request_id)
        verdict = Verdict(
            request_id=slot.request_id,
            subject=subject,
            request_digest=slot.request_digest,
            agreement_digest=self._signed.digest,
            control_n=control_n,
            decided_at=at,
            verifier=self._version,
            answer_digest=hashlib.sha256(plaintext).hexdigest(),
            answer=sealer.seal("answer", slot.request_id, plaintext, ANSWER_SIZES),
            tags=sealer.seal("tags", slot.request_id, encode(tags), TAGS_SIZES),
        )
        return Decided(slot.request_id, subject, seal_envelope(verdict, [self._signer]), at)


def _hold_on(reading: Readable | Unreadable, tags: Tags, in_force: InForce) -> Hold | None:
    jurisdiction = reading.request.jurisdiction if isinstance(reading, Readable) else ""
    return in_force.hold_on(reading.slot.agency, jurisdiction, tags.person)
