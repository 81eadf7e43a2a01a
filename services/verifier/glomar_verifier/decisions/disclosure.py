"""May the person whom the register has found be confirmed? The last word after the lookup, and the names
by which a person is counted without being known. Called by the desk, the tags and the counts; pure.

Whatever speaks against it, the answer is the same deny as for a person who is not there.
"""

from collections import Counter
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from glomar_verifier.matching.match import MatchResult

Name = TypeVar("Name")


class HiddenName(Struct, frozen=True, array_like=True):
    """A name under a key of the record holder, of which the gates' own questions can still be asked.

    whole: first name and joined surname; tokens: the first name with each telling token of the surname, the
    same number as `whole` where there is but one; suffix: 0 for none.
    """

    whole: int
    tokens: tuple[int, ...]
    suffix: int

    @property
    def parts(self) -> frozenset[int]:
        """Two names that may be one person's have at least one in common."""
        return frozenset((self.whole, *self.tokens))


class DatedName(Struct, frozen=True, array_like=True):
    """A name that was asked beside a birth date, hidden under a key of that date: see `vouching`."""

    first: int
    surnames: tuple[int, ...]


class Dated(Struct, Generic[Name], frozen=True):
    """One birth date, hidden, with the names beside it: the ways to take one, or those on record."""

    born: int
    names: tuple[Name, ...]


class Likeness(Struct, Generic[Name], frozen=True):
    """All by which the counts tell for whom a name may be meant, of a request or of a person on record.

    names: as written, and as each slip may have been meant; none if they are too many
    (`corrections.readings`). dated: the same with the birth dates given.
    """

    names: tuple[HiddenName, ...] = ()
    dated: tuple[Dated[Name], ...] = ()


def same_name(one: HiddenName, other: HiddenName) -> bool:
    """As `spelling.surname_slips` where there is no slip, with the first name and the suffix. A middle name
    can be left out by whoever asks, so it tells nobody apart here."""
    if one.suffix and other.suffix and one.suffix != other.suffix:
        return False
    if one.whole == other.whole:
        return True
    shorter, longer = sorted((Counter(one.tokens), Counter(other.tokens)), key=Counter.total)
    return bool(shorter) and shorter <= longer


def outcome(
    finding: MatchResult,
    *,
    addresses: int,
    most_addresses: int | None,
    vetoed: bool,
    held: bool,
    countable: bool,
) -> Literal["confirm", "deny"]:
    """addresses: at which the agency had this person looked up, the present one included.

    most_addresses: the agreement's limit, if it has one. vetoed: by the holder (26 U.S.C. 6103(i)(6)).
    held: a hold is on this person, under another spelling than the one that was asked. countable: the names
    have readings, so that no limit can be evaded.
    """
    over = most_addresses is not None and addresses > most_addresses
    if finding.outcome == "deny" or over or vetoed or held or not countable:
        return "deny"
    return "confirm"
