"""The values of a report, and the checkpoint that they rest on."""

from datetime import datetime

from msgspec import Struct, field

from glomar_auditor.index.hold_history import HoldSummary


class Basis(Struct, frozen=True, kw_only=True):
    """The checkpoint that the numbers rest on. last_entry: stream time of its newest entry; note: as signed.

    evidence: every message was compared with its leaf and every signature checked; otherwise the numbers are
    from the index.
    """

    origin: str
    size: int
    root: str
    last_entry: datetime | None
    note: str
    evidence: bool


class OutcomeCounts(Struct, frozen=True, kw_only=True):
    """Requests of one agency, officer, ground or statute, by outcome."""

    name: str
    requests: int = 0
    confirm: int = 0
    deny: int = 0
    refused: int = 0
    unanswered: int = 0
    void: int = 0
    unknown: int = 0


class ConditionCount(Struct, frozen=True, kw_only=True):
    """How many requests were refused under a condition; one request may be refused under several."""

    condition: str
    name: str
    citation: str
    requests: int


class RecallSummary(Struct, frozen=True, kw_only=True):
    """certified_at: when the stream stored the agency's certificate; None: outstanding."""

    sequence: int
    at: datetime
    agency: str
    request_id: str
    cause: str
    certified_at: datetime | None


class RepeatedPerson(Struct, frozen=True, kw_only=True):
    """A tag of a name that an agency asked about more than once."""

    person_tag: str
    requests: int


class PeopleCounts(Struct, frozen=True, kw_only=True):
    """A tag is of an agency and a name: two people of the same name share it. repeated: most first."""

    asked_about: int
    more_than_once: int
    repeated: tuple[RepeatedPerson, ...]


class UncountedMessages(Struct, frozen=True, kw_only=True):
    """Messages of the whole ledger that do not count, by reason. gaps: sequences that the stream lost."""

    gaps: int
    malformed: int
    untrusted: int
    unreadable: int
    other: int
    void_controls: int


class DisclosureReport(Struct, frozen=True, kw_only=True):
    """since, until: of the requests. Their outcomes are as of the checkpoint."""

    version: int = 1
    agreement: str
    title: str
    oversight: str
    digests: tuple[str, ...]
    """Of each version of the agreement that was in force."""
    basis: Basis = field(name="rests")
    since: datetime | None
    until: datetime | None
    total: OutcomeCounts
    by_agency: tuple[OutcomeCounts, ...]
    by_officer: tuple[OutcomeCounts, ...]
    by_ground: tuple[OutcomeCounts, ...]
    by_statute: tuple[OutcomeCounts, ...]
    refused_under: tuple[ConditionCount, ...]
    holds: tuple[HoldSummary, ...]
    violations: tuple[int, ...]
    """Sequences of verdicts that were stored under a hold that covers them."""
    recalls: tuple[RecallSummary, ...]
    outstanding: int
    certificates: dict[str, int]
    """Destructions that agencies have certified, by cause."""
    people: PeopleCounts
    left_out: UncountedMessages
