"""The ways in which stream and ledger can differ, with their meaning and what to do. Pure."""

from collections.abc import Collection, Sequence
from typing import Literal

from glomar_schemas.tlog.leaf import Entry, Gap, Leaf
from msgspec import Struct

Kind = Literal["gone", "recreated", "settings", "shorter", "missing", "unreadable", "changed", "opening"]

_RESTORE = (
    "Keep a copy of the store as evidence. Stop nats-server, restore its store from a copy that holds this "
    "sequence, or let a replica bring it, and start the auditor again. If no such copy exists, open a new "
    "incarnation"
)
_OPERATOR = "Ask the operator of the bus who changed it"


class Contradiction(Struct, frozen=True):
    """what: the difference; since: the first sequence concerned, 0 for none; meaning: possible causes."""

    kind: Kind
    what: str
    since: int
    meaning: str
    fix: str

    @property
    def may_record(self) -> bool:
        """Other settings alone do not touch stored messages: recording goes on, releases stop."""
        return self.kind == "settings"


def gone(size: int) -> Contradiction:
    return Contradiction(
        "gone",
        "the stream is gone",
        min(size, 1),
        "Somebody deleted it, or nats-server runs on another store",
        _RESTORE,
    )


def of_state(created: str, last_sequence: int, *, ledger_created: str, size: int) -> Contradiction | None:
    """created, last_sequence: of the stream now; ledger_created: of the stream that the ledger recorded."""
    if created != ledger_created:
        return Contradiction(
            "recreated",
            f"the stream was created at {created}, that of this ledger at {ledger_created}",
            min(size, 1),
            "Somebody deleted the stream and created another of the same name: it may hold other messages "
            "under the same sequences",
            f"{_OPERATOR}. Restore the old stream and start the auditor again, or open a new incarnation",
        )
    if last_sequence < size:
        return Contradiction(
            "shorter",
            f"the stream ends at sequence {last_sequence}, the ledger at {size}",
            last_sequence + 1,
            "The stream lost its newest messages, by damage or because an older copy was restored. It gives "
            "their sequences to other messages",
            _RESTORE,
        )
    return None


def of_settings(different: Sequence[str], size: int) -> Contradiction | None:
    """different: names of the settings that are not as the protocol requires."""
    if not different:
        return None
    return Contradiction(
        "settings",
        f"the stream has other settings of {', '.join(different)}",
        size + 1,
        "With these a message could be written twice, removed, or expire. What was recorded is not touched",
        f"{_OPERATOR}. Set them as the protocol requires, and restart the auditor, which compares all again",
    )


def unopened() -> Contradiction:
    return Contradiction(
        "opening",
        "the stream does not begin with the final checkpoint of the previous incarnation",
        1,
        "The new incarnation was not opened, or somebody stored a message before that",
        "The operator deletes this stream and creates it again; then: glomar-auditor incarnation open",
    )


def of_lost(lost: Collection[int]) -> Contradiction:
    """lost: sequences that the ledger recorded and the stream reports as lost."""
    return Contradiction(
        "missing",
        f"the stream no longer holds {len(lost)} messages that the ledger recorded",
        min(lost),
        "Somebody removed them, or the store was damaged",
        _RESTORE,
    )


def of_message(sequence: int, recorded: Entry | None, held: Leaf | None) -> Contradiction | None:
    """recorded: in the ledger; held: what the stream returns now for a sequence that it counts as stored.

    A gap in the ledger stays a gap, even if a restored store has the message again.
    """
    if isinstance(recorded, Gap) or recorded == held is not None:
        return None
    if held is None:
        return unreadable(sequence)
    return Contradiction(
        "changed",
        f"the message at sequence {sequence} is not the one that the ledger recorded",
        sequence,
        "The stream lost messages and gave their sequences to others, an older copy was restored, or the "
        "store was changed",
        _RESTORE,
    )


def unreadable(sequence: int) -> Contradiction:
    return Contradiction(
        "unreadable",
        f"the stream counts sequence {sequence} as stored but does not return it",
        sequence,
        "The store is damaged at this message",
        _RESTORE,
    )


GAP_ATTEMPTS = 3
"""Attempts in a row, a second apart, before a sequence is recorded as a gap."""


def is_gap(missing: Sequence[int], lost: Collection[int], attempts: int) -> bool:
    """Whether these sequences, after which the stream holds a message, may be recorded as gaps.

    missing: unrecorded and not returned by the stream; lost: reported as lost by the stream. A single report
    can come from a server that is still starting.
    """
    return attempts >= GAP_ATTEMPTS and set(missing) <= set(lost)
