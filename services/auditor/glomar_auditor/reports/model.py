"""What a report says: plain values, with one checkpoint under them. Made by `counting`, shown by `pages`."""

from datetime import datetime

from msgspec import Struct

from glomar_auditor.index.control_history import HoldLine


class Rests(Struct, frozen=True, kw_only=True):
    """The checkpoint that the numbers rest on. last_entry: stream time of its newest entry; note: as signed.

    evidence: every message was held against its leaf and every signature checked; else taken from the index.
    """

    origin: str
    size: int
    root: str
    last_entry: datetime | None
    note: str
    evidence: bool


class Line(Struct, frozen=True, kw_only=True):
    """Requests of one agency, officer, ground or statute, by what became of them."""

    name: str
    requests: int = 0
    confirm: int = 0
    deny: int = 0
    refused: int = 0
    unanswered: int = 0
    void: int = 0
    unknown: int = 0


class Refused(Struct, frozen=True, kw_only=True):
    """How many requests were refused under a condition; one request may fail several."""

    condition: str
    name: str
    citation: str
    requests: int


class RecallLine(Struct, frozen=True, kw_only=True):
    """certified_at: when the stream stored the agency's certificate; None: outstanding."""

    sequence: int
    at: datetime
    agency: str
    request_id: str
    cause: str
    certified_at: datetime | None


class Repeated(Struct, frozen=True, kw_only=True):
    """A name, by its tag, that an agency asked about more than once."""

    person_tag: str
    requests: int


class People(Struct, frozen=True, kw_only=True):
    """Tags are of an agency and a name: two people of one name share one. repeated: the most asked first."""

    asked_about: int
    more_than_once: int
    repeated: tuple[Repeated, ...]


class LeftOut(Struct, frozen=True, kw_only=True):
    """Stored messages that do not count, and why; all times. gaps: sequences that the stream lost."""

    gaps: int
    malformed: int
    untrusted: int
    unreadable: int
    other: int
    void_controls: int


class Report(Struct, frozen=True, kw_only=True):
    """since, until: of the requests; whatever became of them counts as of the checkpoint."""

    version: int = 1
    agreement: str
    title: str
    oversight: str
    digests: tuple[str, ...]
    """Of each version of the agreement that was in force."""
    rests: Rests
    since: datetime | None
    until: datetime | None
    total: Line
    by_agency: tuple[Line, ...]
    by_officer: tuple[Line, ...]
    by_ground: tuple[Line, ...]
    by_statute: tuple[Line, ...]
    refused_under: tuple[Refused, ...]
    holds: tuple[HoldLine, ...]
    violations: tuple[int, ...]
    """Sequences of verdicts behind a hold that covers them."""
    recalls: tuple[RecallLine, ...]
    outstanding: int
    certificates: dict[str, int]
    """Destructions that agencies have certified, by cause."""
    people: People
    left_out: LeftOut
