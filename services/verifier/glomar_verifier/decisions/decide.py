"""Decides requests: read, count, gate, and only if every condition holds, match. Called by the worker.

Takes stored messages and a clock, returns signed verdicts; it publishes and acknowledges nothing.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from glomar_runtime.bus.stream import Stored, moment
from glomar_runtime.telemetry.spans import Spans
from glomar_schemas.agreement.controls import Hold, InForce
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.crypto.sealing import Opener
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Answer, Refusal, Tags
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from opentelemetry.trace import Span

from glomar_verifier.decisions.disclosure import outcome
from glomar_verifier.decisions.open_request import MALFORMED, Readable, Unreadable, read
from glomar_verifier.decisions.slots import release_slot
from glomar_verifier.decisions.verdict_writer import Clerk, Decided, Question
from glomar_verifier.holder_lists.case_roll import Rolls
from glomar_verifier.holder_lists.veto import VetoList
from glomar_verifier.matching.match import MatchResult, Query, decide
from glomar_verifier.matching.query import normal_query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.policy.facts import Counted, Registry
from glomar_verifier.policy.gate import Gate
from glomar_verifier.quotas.counts import Ask, Counts, Lookup
from glomar_verifier.quotas.tags import Tagger
from glomar_verifier.register import Register

Clock = Callable[[], datetime]


class Work(Struct, frozen=True):
    """One request to be decided. waited: how long it stood under holds, which its expiry does not count."""

    stored: Stored
    span: Span
    waited: timedelta = timedelta(0)


class Matter(Struct, frozen=True):
    """A request, read. query: or why it has no normal form; address: its tag, blank if it names no house."""

    work: Work
    reading: Readable | Unreadable
    tags: Tags
    query: Query | Refusal
    address: str = ""


class Law(Struct, frozen=True):
    """One version of the agreement, ready to be applied."""

    gate: Gate
    registry: Registry


class Sitting(Struct, frozen=True):
    """What all requests of one batch are decided by."""

    law: Law
    in_force: InForce
    now: datetime
    spans: Spans

    @property
    def today(self) -> date:
        return self.law.gate.today(self.now)


class Found(Struct, frozen=True):
    """What the register says to one request, before the last word about it."""

    query: Query
    finding: MatchResult


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
        sitting = Sitting(self._laws[signed.digest], in_force, now, spans)
        self._veto.follow()
        matters = [self._read(item, signed) for item in work]
        holds = [_hold_on(matter.reading, matter.tags, in_force) for matter in matters]
        # What waits under a hold is counted when it is decided, and not twice.
        free = [matter for matter, hold in zip(matters, holds, strict=True) if hold is None]
        counted = self._count(free, sitting)
        began = clock()
        judged = [self._judge(matter, counted, sitting) for matter in free]
        answers = self._last_word(free, judged, sitting)
        self._counts.sync()
        slot = release_slot(began, clock())
        questions = [Question(matter.reading.slot, matter.tags) for matter in free]
        verdicts = iter(self._clerk.write(questions, answers, in_force, slot, now))
        return [next(verdicts) if hold is None else hold for hold in holds]

    def _read(self, item: Work, signed: SignedAgreement) -> Matter:
        message, at = item.stored, moment(item.stored.time_ns)
        reading = read(
            message.subject, message.body, message.sequence, at, signed, self._subjects, self._opener
        )
        if isinstance(reading, Unreadable):
            return Matter(item, reading, Tags(), reading.refusal)
        agency, particulars = reading.slot.agency, reading.particulars
        try:
            query = normal_query(particulars, reading.request.tax_periods, self._rules, self._form)
        except Malformed as fault:
            refusal = Refusal(condition=MALFORMED, citation="PROTOCOL, Decoding", message=str(fault))
            # What of it has a normal form is counted all the same.
            tags = self._tagger.tags(agency, particulars, self._rules)
            address = self._tagger.address_of(particulars, self._rules, self._form)
            return Matter(item, reading, tags, refusal, address)
        tags = self._tagger.tags_under(agency, query.name, particulars)
        return Matter(item, reading, tags, query, self._tagger.address(query.address))

    def _count(self, matters: Sequence[Matter], sitting: Sitting) -> dict[int, Counted]:
        """Counts every readable request, so that refused attempts count too. sequence -> counted."""
        asks = {
            reading.slot.sequence: Ask(
                request_id=reading.slot.request_id,
                digest=reading.slot.request_digest,
                agency=reading.slot.agency,
                officer=reading.request.officer.id,
                tags=matter.tags,
                address=matter.address,
                day=sitting.law.gate.today(moment(matter.work.stored.time_ns)).isoformat(),
                at_ns=matter.work.stored.time_ns,
            )
            for matter in matters
            if isinstance(reading := matter.reading, Readable)
        }
        return dict(zip(asks, self._counts.observe_batch(list(asks.values())), strict=True))

    def _judge(
        self, matter: Matter, counted: Mapping[int, Counted], sitting: Sitting
    ) -> Found | tuple[Refusal, ...]:
        """What the register says, or why it may not be asked."""
        reading, work = matter.reading, matter.work
        if isinstance(reading, Unreadable):
            return (reading.refusal,)
        with sitting.spans.step("gate", work.span):
            refusals = self._refusals(reading, counted[reading.slot.sequence], work.waited, sitting)
        if refusals:
            return refusals
        query = matter.query
        if isinstance(query, Refusal):
            return (query,)
        with sitting.spans.step("match", work.span):
            return Found(query, decide(self._register.candidates(query), query, self._rules))

    def _refusals(
        self, reading: Readable, counted: Counted, waited: timedelta, sitting: Sitting
    ) -> tuple[Refusal, ...]:
        request, particulars, slot = reading.request, reading.particulars, reading.slot
        facts = sitting.law.registry.facts(
            request,
            counted,
            self._rolls.engagement(slot.agency, particulars.case_id, request.officer.id, sitting.today),
            sitting.today,
            # A request that was stored before a new version came need not have known it.
            agreement_current=request.agreement_digest == sitting.in_force.digest_at(slot.sequence),
            held=waited,
        )
        return sitting.law.gate.refusals(request, particulars, facts, sitting.now)

    def _last_word(
        self,
        matters: Sequence[Matter],
        judged: Sequence[Found | tuple[Refusal, ...]],
        sitting: Sitting,
    ) -> list[Answer]:
        """Every lookup is counted, and whatever forbids a confirmation makes it the one deny."""
        lookups = [
            self._lookup(matter, found)
            for matter, found in zip(matters, judged, strict=True)
            if isinstance(found, Found)
        ]
        counted = zip(lookups, self._counts.observe_lookups(lookups), strict=True)
        limit = sitting.in_force.require().agreement.limits.addresses_per_person
        answers = []
        for matter, found in zip(matters, judged, strict=True):
            salt = os.urandom(16)
            if isinstance(found, Found):
                lookup, addresses = next(counted)
                word = outcome(
                    found.finding,
                    addresses=addresses,
                    most_addresses=limit,
                    vetoed=self._veto.covers(found.finding.person, sitting.today),
                    held=self._is_held(matter.reading.slot.agency, found.finding, sitting.in_force),
                    countable=bool(lookup.asked.names and lookup.meant.names),
                )
                answers.append(Answer(outcome=word, record_consulted=True, salt=salt))
            else:
                answers.append(Answer(outcome="deny", record_consulted=False, refusals=found, salt=salt))
        return answers

    def _is_held(self, agency: str, finding: MatchResult, in_force: InForce) -> bool:
        """Whether a hold is on the person who was found. A request waits for it if it has the hold's own
        spelling; under another it can't be told before the lookup, and to wait after it would tell."""
        if not any(hold.scope.startswith("person:") for hold in in_force.holds):
            return False
        tags = self._tagger.people(agency, finding.names, self._rules)
        return any(in_force.hold_on("", "", tag) for tag in tags)

    def _lookup(self, matter: Matter, found: Found) -> Lookup:
        slot, query, finding = matter.reading.slot, found.query, found.finding
        return Lookup(
            agency=slot.agency,
            request_id=slot.request_id,
            asked=self._tagger.asked(slot.agency, query.name, query.date_of_birth, self._rules),
            meant=self._tagger.known(slot.agency, finding.names, finding.births, self._rules),
            address=matter.address,
            at_ns=matter.work.stored.time_ns,
        )


def _hold_on(reading: Readable | Unreadable, tags: Tags, in_force: InForce) -> Hold | None:
    jurisdiction = reading.request.jurisdiction if isinstance(reading, Readable) else ""
    return in_force.hold_on(reading.slot.agency, jurisdiction, tags.person)
