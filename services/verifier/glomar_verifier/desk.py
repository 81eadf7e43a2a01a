"""Decides requests: read, count, gate, and only if every condition holds, match. Called by the worker.

Takes stored messages and a clock, returns signed verdicts; it publishes and acknowledges nothing.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from glomar_runtime.delivery import Stored, moment
from glomar_runtime.telemetry import Spans
from glomar_schemas.agreement import SignedAgreement
from glomar_schemas.controls import Hold, InForce
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Answer, Refusal, Tags
from glomar_schemas.sealing import Opener
from glomar_schemas.subjects import Subjects
from glomar_schemas.versions import Versions
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
from glomar_verifier.roll import Rolls
from glomar_verifier.rules import Rules
from glomar_verifier.slots import release_slot
from glomar_verifier.tags import Tagger
from glomar_verifier.verdicts import Clerk, Decided, Question
from glomar_verifier.veto import VetoList

Clock = Callable[[], datetime]


class Work(Struct, frozen=True):
    """One request to be decided. waited: how long it stood under holds, which its expiry does not count."""

    stored: Stored
    span: Span
    waited: timedelta = timedelta(0)


class Law(Struct, frozen=True):
    """One version of the agreement, ready to be applied."""

    gate: Gate
    registry: Registry


class Found(Struct, frozen=True):
    """What the register says to one request, before the last word about it."""

    query: Query
    finding: Finding


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
        veto: VetoList,
        tagger: Tagger,
        opener: Opener,
        clerk: Clerk,
    ) -> None:
        self._subjects = subjects
        # Compiled now, so that a version that comes into force is followed at once.
        self._laws = {
            digest: Law(Gate(signed.agreement, rules), Registry(signed.agreement))
            for digest, signed in versions.by_digest.items()
        }
        self._rules = rules
        self._register = register
        self._form = register.info().address_form
        self._counts = counts
        self._rolls = rolls
        self._veto = veto
        self._tagger = tagger
        self._opener = opener
        self._clerk = clerk

    def decide(
        self, work: Sequence[Work], in_force: InForce, clock: Clock, spans: Spans
    ) -> list[Decided | Hold]:
        """For each request, in order, its verdict, or the hold that covers it.

        clock: what it shows at first is the time that the conditions count from. Raises Untrusted when the
        agreement is not in force or oversight has no valid sealing key.
        """
        now, signed = clock(), in_force.require()
        signed.require_in_force(now)
        law = self._laws[signed.digest]
        self._veto.follow()
        readings = [self._read(item.stored, signed) for item in work]
        tags = [self._tags(reading) for reading in readings]
        holds = [_hold_on(*pair, in_force) for pair in zip(readings, tags, strict=True)]
        # What waits under a hold is counted when it is decided, and not twice.
        free = [at for at, hold in enumerate(holds) if hold is None]
        asked, waiting = [readings[at] for at in free], [work[at] for at in free]
        counted = self._count(asked, [tags[at] for at in free], waiting, law)
        began = clock()
        judged = [
            self._judge(reading, counted, in_force, now, spans, item)
            for reading, item in zip(asked, waiting, strict=True)
        ]
        answers = self._last_word(asked, judged, waiting, in_force, now)
        slot = release_slot(began, clock())
        questions = [Question(readings[at].slot, tags[at]) for at in free]
        decided = self._clerk.write(questions, answers, in_force, slot, now)
        of_place = dict(zip(free, decided, strict=True))
        return [of_place[at] if hold is None else hold for at, hold in enumerate(holds)]

    def _read(self, message: Stored, signed: SignedAgreement) -> Readable | Unreadable:
        at = moment(message.time_ns)
        return read(message.subject, message.body, message.sequence, at, signed, self._subjects, self._opener)

    def _tags(self, reading: Readable | Unreadable) -> Tags:
        if isinstance(reading, Unreadable):
            return Tags()
        return self._tagger.tags(reading.slot.agency, reading.particulars, self._rules)

    def _count(
        self,
        readings: Sequence[Readable | Unreadable],
        tags: Sequence[Tags],
        work: Sequence[Work],
        law: Law,
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
                day=law.gate.today(moment(item.stored.time_ns)).isoformat(),
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
        in_force: InForce,
        now: datetime,
        spans: Spans,
        item: Work,
    ) -> Found | tuple[Refusal, ...]:
        """What the register says, or why it may not be asked."""
        if isinstance(reading, Unreadable):
            return (reading.refusal,)
        request, law = reading.request, self._laws[in_force.require().digest]
        with spans.step("gate", item.span):
            today = law.gate.today(now)
            facts = law.registry.facts(
                request,
                counted[reading.slot.sequence],
                self._rolls.engagement(
                    reading.slot.agency, reading.particulars.case_id, request.officer.id, today
                ),
                today,
                # A request that was stored before a new version came need not have known it.
                agreement_current=request.agreement_digest == in_force.digest_at(item.stored.sequence),
                held=item.waited,
            )
            refusals = law.gate.refusals(request, reading.particulars, facts, now)
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
        in_force: InForce,
        now: datetime,
    ) -> list[Answer]:
        """Every lookup is counted, and whatever forbids a confirmation makes it the one deny."""
        looked_up = {at: found for at, found in enumerate(judged) if isinstance(found, Found)}
        lookups = [self._lookup(readings[at].slot, found, work[at]) for at, found in looked_up.items()]
        addresses = dict(zip(looked_up, self._counts.observe_lookups(lookups), strict=True))
        signed = in_force.require()
        limit, today = signed.agreement.limits.addresses_per_person, self._laws[signed.digest].gate.today(now)
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


def _hold_on(reading: Readable | Unreadable, tags: Tags, in_force: InForce) -> Hold | None:
    jurisdiction = reading.request.jurisdiction if isinstance(reading, Readable) else ""
    return in_force.hold_on(reading.slot.agency, jurisdiction, tags.person)
