"""Decides requests: open, count, gate, and match only if every condition holds; then write the verdict.

Takes stored messages and a clock, returns signed verdicts; it publishes and acknowledges nothing.
"""

import os
from collections.abc import Mapping, Sequence
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

from glomar_verifier.decisions.clock import Clock
from glomar_verifier.decisions.disclosure import outcome
from glomar_verifier.decisions.open_request import MALFORMED, Readable, Unreadable, open_request
from glomar_verifier.decisions.verdict_writer import (
    SignedVerdict,
    VerdictDraft,
    VerdictWriter,
    release_time,
)
from glomar_verifier.holder_lists.case_roll import CaseRolls
from glomar_verifier.holder_lists.veto import VetoList
from glomar_verifier.matching.match import MatchResult, Query, decide, normal_query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.policy.facts import Counted, Registry
from glomar_verifier.policy.gate import Gate
from glomar_verifier.quotas.counts import Attempt, Counts, Lookup
from glomar_verifier.quotas.tags import Tagger
from glomar_verifier.register import Register


class WorkItem(Struct, frozen=True):
    """A request to be decided. held_for: time under holds, which does not count against its expiry."""

    stored: Stored
    span: Span
    held_for: timedelta = timedelta(0)


class OpenedRequest(Struct, frozen=True):
    """query: or why it has no normal form. address: its tag; blank unless it names a house or a box."""

    item: WorkItem
    content: Readable | Unreadable
    tags: Tags
    query: Query | Refusal
    address: str = ""


class CompiledAgreement(Struct, frozen=True):
    """One version of the agreement, ready to be applied."""

    gate: Gate
    registry: Registry


class BatchContext(Struct, frozen=True):
    """Inputs shared by every decision in a batch."""

    agreement: CompiledAgreement
    in_force: InForce
    now: datetime
    spans: Spans

    @property
    def today(self) -> date:
        return self.agreement.gate.today(self.now)


class MatchedQuery(Struct, frozen=True):
    """The result of a lookup, before the holder's limits and lists are applied to it."""

    query: Query
    result: MatchResult


Refusals = tuple[Refusal, ...]


class DecisionEngine:
    """Decides under one agreement, in all its installed versions. One caller at a time."""

    def __init__(
        self,
        versions: Versions,
        subjects: Subjects,
        *,
        rules: Rules,
        register: Register,
        counts: Counts,
        rolls: CaseRolls,
        veto: VetoList,
        tagger: Tagger,
        opener: Opener,
        writer: VerdictWriter,
    ) -> None:
        self._subjects = subjects
        # Compiled now, so that a version that comes into force is followed at once.
        self._agreements = {
            digest: CompiledAgreement(Gate(signed.agreement, rules), Registry(signed.agreement))
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
        self._writer = writer

    def decide(
        self, items: Sequence[WorkItem], in_force: InForce, clock: Clock, spans: Spans
    ) -> list[SignedVerdict | Hold]:
        """For each request, in order, its verdict, or the hold that covers it.

        clock: its first reading is the time that the conditions count from. All verdicts of a batch have one
        release time; what they rest on is on disk when this returns. Raises Untrusted when the agreement is
        not in force or oversight has no valid sealing key, Retryable or IntegrityError (counts, register),
        OSError (counts not synced).
        """
        now, signed = clock(), in_force.require()
        signed.require_in_force(now)
        batch = BatchContext(self._agreements[signed.digest], in_force, now, spans)
        self._veto.refresh()
        opened = [self._open(item, signed) for item in items]
        holds = [_hold_on(request.content, request.tags, in_force) for request in opened]
        # A held request is counted when it is decided, so that it is not counted twice.
        free = [request for request, hold in zip(opened, holds, strict=True) if hold is None]
        counted = self._count(free, batch)
        began = clock()
        checked = [self._gate_and_match(request, counted, batch) for request in free]
        drafts = self._draft(free, checked, batch)
        self._counts.sync()
        verdicts = iter(self._writer.write(drafts, in_force, release_time(began, clock()), now))
        return [next(verdicts) if hold is None else hold for hold in holds]

    def _open(self, item: WorkItem, signed: SignedAgreement) -> OpenedRequest:
        """Opens the message, and computes its tags and its query."""
        message, at = item.stored, moment(item.stored.time_ns)
        content = open_request(
            message.subject, message.body, message.sequence, at, signed, self._subjects, self._opener
        )
        if isinstance(content, Unreadable):
            return OpenedRequest(item, content, Tags(), content.refusal)
        agency, particulars = content.ref.agency, content.particulars
        try:
            query = normal_query(particulars, content.request.tax_periods, self._rules, self._form)
        except Malformed as fault:
            refusal = Refusal(condition=MALFORMED, citation="PROTOCOL, Decoding", message=str(fault))
            # Those parts that have a normal form are counted all the same.
            tags = self._tagger.tags(agency, particulars, self._rules)
            address = self._tagger.address_of(particulars, self._rules, self._form)
            return OpenedRequest(item, content, tags, refusal, address)
        tags = self._tagger.tags_under(agency, query.name, particulars)
        return OpenedRequest(item, content, tags, query, self._tagger.address(query.address))

    def _count(self, requests: Sequence[OpenedRequest], batch: BatchContext) -> dict[int, Counted]:
        """Counts every readable request, so that refused attempts count too -> counts by sequence."""
        attempts = {
            content.ref.sequence: Attempt(
                request_id=content.ref.request_id,
                digest=content.ref.request_digest,
                agency=content.ref.agency,
                officer=content.request.officer.id,
                tags=opened.tags,
                address=opened.address,
                day=batch.agreement.gate.today(moment(opened.item.stored.time_ns)).isoformat(),
                at_ns=opened.item.stored.time_ns,
            )
            for opened in requests
            if isinstance(content := opened.content, Readable)
        }
        return dict(zip(attempts, self._counts.observe_batch(list(attempts.values())), strict=True))

    def _gate_and_match(
        self, opened: OpenedRequest, counted: Mapping[int, Counted], batch: BatchContext
    ) -> MatchedQuery | Refusals:
        """The register is read only if nothing is refused."""
        content, item = opened.content, opened.item
        if isinstance(content, Unreadable):
            return (content.refusal,)
        with batch.spans.step("gate", item.span):
            refusals = self._gate(content, counted[content.ref.sequence], item.held_for, batch)
        if refusals:
            return refusals
        query = opened.query
        if isinstance(query, Refusal):
            return (query,)
        with batch.spans.step("match", item.span):
            return MatchedQuery(query, decide(self._register.candidates(query), query, self._rules))

    def _gate(
        self, content: Readable, counted: Counted, held_for: timedelta, batch: BatchContext
    ) -> Refusals:
        """Every condition of the agreement that does not hold."""
        request, particulars, ref = content.request, content.particulars, content.ref
        facts = batch.agreement.registry.facts(
            request,
            counted,
            self._rolls.engagement(ref.agency, particulars.case_id, request.officer.id, batch.today),
            batch.today,
            # A request that was stored before a new version came into force may name the older one.
            agreement_current=request.agreement_digest == batch.in_force.digest_at(ref.sequence),
            held=held_for,
        )
        return batch.agreement.gate.refusals(request, particulars, facts, batch.now)

    def _draft(
        self,
        requests: Sequence[OpenedRequest],
        checked: Sequence[MatchedQuery | Refusals],
        batch: BatchContext,
    ) -> list[VerdictDraft]:
        """Counts every lookup; a match that may not be disclosed becomes the same deny as no match."""
        lookups = [
            self._lookup(opened, check)
            for opened, check in zip(requests, checked, strict=True)
            if isinstance(check, MatchedQuery)
        ]
        counted = zip(lookups, self._counts.observe_lookups(lookups), strict=True)
        limit = batch.in_force.require().agreement.limits.addresses_per_person
        drafts = []
        for opened, check in zip(requests, checked, strict=True):
            salt, ref = os.urandom(16), opened.content.ref
            if isinstance(check, MatchedQuery):
                lookup, addresses = next(counted)
                disclosed = outcome(
                    check.result,
                    addresses=addresses,
                    most_addresses=limit,
                    vetoed=self._veto.covers(check.result.person, batch.today),
                    held=self._is_held(ref.agency, check.result, batch.in_force),
                    countable=bool(lookup.requested.names and lookup.recorded.names),
                )
                answer = Answer(outcome=disclosed, record_consulted=True, salt=salt)
            else:
                answer = Answer(outcome="deny", record_consulted=False, refusals=check, salt=salt)
            drafts.append(VerdictDraft(ref, opened.tags, answer))
        return drafts

    def _lookup(self, opened: OpenedRequest, matched: MatchedQuery) -> Lookup:
        ref, query, result = opened.content.ref, matched.query, matched.result
        return Lookup(
            agency=ref.agency,
            request_id=ref.request_id,
            requested=self._tagger.requested(ref.agency, query.name, query.date_of_birth, self._rules),
            recorded=self._tagger.recorded(ref.agency, result.names, result.births, self._rules),
            address=opened.address,
            at_ns=opened.item.stored.time_ns,
        )

    def _is_held(self, agency: str, result: MatchResult, in_force: InForce) -> bool:
        """Whether a hold is on the person who was found.

        A request under the hold's own spelling is held before the lookup. Under another spelling the hold is
        known only after it, and holding the request then would show that the person was found.
        """
        if not any(hold.scope.startswith("person:") for hold in in_force.holds):
            return False
        tags = self._tagger.people(agency, result.names, self._rules)
        return any(in_force.hold_on("", "", tag) for tag in tags)


def _hold_on(content: Readable | Unreadable, tags: Tags, in_force: InForce) -> Hold | None:
    jurisdiction = content.request.jurisdiction if isinstance(content, Readable) else ""
    return in_force.hold_on(content.ref.agency, jurisdiction, tags.person)
