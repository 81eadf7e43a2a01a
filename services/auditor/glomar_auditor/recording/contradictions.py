"""Whether stream and ledger still agree, and in plain words what it means if they do not. Pure.

Called by the watch, which asks the stream and halts releases on the first contradiction.
"""

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
    """what: differs; since: the first sequence concerned, 0 if none is; meaning: what may have happened."""

    kind: Kind
    what: str
    since: int
    meaning: str
    fix: str

    @property
    def may_record(self) -> bool:
        """Settings alone say nothing against what the stream holds: the ledger goes on, releases do not."""
        return self.kind == "settings"


def gone(size: int) -> Contradiction:
    return Contradiction(
        "gone",
        "the stream is gone",
        min(size, 1),
        "Somebody deleted it, or nats-server runs on another store",
        _RESTORE,
    )


def of_state(created: str, last_sequence: int, *, made: str, size: int) -> Contradiction | None:
    """created, last_sequence: of the stream now; made: when that of this ledger was; size: of the ledger."""
    if created != made:
        return Contradiction(
            "recreated",
            f"the stream was created at {created}, that of this ledger at {made}",
            min(size, 1),
            "Somebody deleted the stream and made another of the same name: it may hold other messages under "
            "the same sequences",
            f"{_OPERATOR}. Restore the old stream and start the auditor again, or open a new incarnation",
        )
    if last_sequence < size:
        return Contradiction(
            "shorter",
            f"the stream ends at sequence {last_sequence}, the ledger at {size}",
            last_sequence + 1,
            "The stream lost its newest messages, by damage or because an older copy was restored. It will "
            "give their sequences to other messages",
            _RESTORE,
        )
    return None


def of_settings(different: Sequence[str], size: int) -> Contradiction | None:
    """different: the settings that are not as the protocol demands."""
    if not different:
        return None
    return Contradiction(
        "settings",
        f"the stream has other settings of {', '.join(different)}",
        size + 1,
        "With these a message could be written twice, removed, or expire. What was recorded is not touched",
        f"{_OPERATOR}. Set them as the protocol demands, and start the auditor again: it compares all anew",
    )


def unopened() -> Contradiction:
    return Contradiction(
        "opening",
        "the stream does not begin with the final checkpoint of the incarnation before",
        1,
        "The new incarnation was not opened, or somebody stored a message before it was",
        "The operator deletes this stream and creates it again; then: glomar-auditor incarnation open",
    )


def of_lost(lost: Collection[int]) -> Contradiction:
    """lost: sequences that the ledger recorded and the stream says it does not hold any more."""
    return Contradiction(
        "missing",
        f"the stream no longer holds {len(lost)} messages that the ledger recorded",
        min(lost),
        "Somebody removed them, or the store was damaged",
        _RESTORE,
    )


def of_message(sequence: int, recorded: Entry | None, held: Leaf | None) -> Contradiction | None:
    """One sequence that the stream counts as stored; held: as it hands it out now.

    A gap stays a gap, whatever a restored store brings back.
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
        f"the stream counts sequence {sequence} as stored and can't hand it out",
        sequence,
        "The store is damaged at this message",
        _RESTORE,
    )


def is_gap(missing: Sequence[int], lost: Collection[int], looks: int) -> bool:
    """Whether these sequences, behind which a message stands, may be recorded as gaps.

    missing: unrecorded, and not handed out; lost: what the stream itself says it does not hold. Said once
    could be a server that is still starting; said `GAP_LOOKS` times it is a fact.
    """
    return looks >= GAP_LOOKS and set(missing) <= set(lost)


GAP_LOOKS = 3
"""Looks in a row, a second apart, before a sequence is given up."""
