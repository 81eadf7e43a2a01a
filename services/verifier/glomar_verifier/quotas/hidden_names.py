"""Names as keyed hashes: the counts can compare them without knowing them. Pure."""

from collections import Counter
from typing import Generic, TypeVar

from msgspec import Struct

Name = TypeVar("Name")


class HiddenName(Struct, frozen=True, array_like=True):
    """A name under a key of the record holder that can still be compared as the gates compare names.

    whole: first name and joined surname. tokens: the first name with each distinctive token of the surname;
    equal to `whole` if there is only one. suffix: 0 for none.
    """

    whole: int
    tokens: tuple[int, ...]
    suffix: int

    @property
    def parts(self) -> frozenset[int]:
        """Two names that may be one person's have at least one part in common."""
        return frozenset((self.whole, *self.tokens))


class DatedName(Struct, frozen=True, array_like=True):
    """A requested name beside a birth date, under a key of that date (see `dated_names`)."""

    first: int
    surnames: tuple[int, ...]


class BirthDateKeys(Struct, Generic[Name], frozen=True):
    """One birth date as a keyed hash, with the names beside it: variants of one, or those on record."""

    born: int
    names: tuple[Name, ...]


class NameKeys(Struct, Generic[Name], frozen=True):
    """All by which the counts can tell whose name it is: of a request, or of a person on record.

    names: as written and with each possible slip corrected; empty if these are too many
    (`corrections.readings`). dated: the same for each birth date.
    """

    names: tuple[HiddenName, ...] = ()
    dated: tuple[BirthDateKeys[Name], ...] = ()


def same_name(one: HiddenName, other: HiddenName) -> bool:
    """As `spelling.surname_slips` without a slip, with the first name and the suffix.

    The middle name is not compared: a request may leave it out.
    """
    if one.suffix and other.suffix and one.suffix != other.suffix:
        return False
    if one.whole == other.whole:
        return True
    shorter, longer = sorted((Counter(one.tokens), Counter(other.tokens)), key=Counter.total)
    return bool(shorter) and shorter <= longer
