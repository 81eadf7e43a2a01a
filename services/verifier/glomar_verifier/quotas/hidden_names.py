"""Names as keyed hashes: the counts can compare them without knowing them. Pure."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Generic, TypeVar

from msgspec import Struct

from glomar_verifier.matching import blocking
from glomar_verifier.matching.corrections import corrected_first_name, one_edit
from glomar_verifier.matching.names import NormalName, divided_given_name, surname_tokens
from glomar_verifier.matching.rules import Rules

Name = TypeVar("Name")

# Cached: the requested name is mostly the name on record.
_hash = lru_cache(maxsize=1_024)(blocking.keyed_hash)


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
    """A requested name beside a birth date, under a key of that date (see `requested_variants`)."""

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


def requested_variants(name: NormalName, key: bytes, rules: Rules) -> tuple[DatedName, ...]:
    """The name as it stands, with the middle name in the first, and with first and last name exchanged
    (`spelling.exchanged`); all that in each of its forms.

    Names that count as one person's if the birth date is the same are wider than the gates
    (`match.name_gates`): a surname with an unknown word may be any other surname, since the words within two
    edits are too many to list. The birth date and the first name keep namesakes apart.

    key: 32 bytes, of an agency and a birth date.
    """
    variants = [variant for form in name.forms for variant in _variants(form, rules)]
    return tuple(
        DatedName(
            first=_first(first, first in rules.first_names, key),
            surnames=(*_words(surname, key), _surname_kind(_all_known(surname, rules), key)),
        )
        for first, surname in dict.fromkeys(variants)
    )


def _variants(name: NormalName, rules: Rules) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield name.first, name.surname
    if divided := divided_given_name(name):
        yield divided, name.surname
    if name.first:
        yield "".join(name.surname), surname_tokens(list(name.first_words or (name.first,)), rules)


class RecordedName:
    """A name on record beside a birth date. Its hashes are computed on first use: few share a birth date."""

    def __init__(self, name: NormalName, key: bytes, rules: Rules) -> None:
        """key: as in `requested_variants`."""
        self._name, self._key, self._rules = name, key, rules

    def may_match(self, requested: DatedName) -> bool:
        """Whether the requested name may stand for this one."""
        return not self._surnames.isdisjoint(requested.surnames) and requested.first in self._firsts

    @cached_property
    def _surnames(self) -> frozenset[int]:
        """Surnames may differ unless all words of both are known."""
        found: set[int] = set()
        for form in self._name.forms:
            kinds = (False,) if _all_known(form.surname, self._rules) else (False, True)
            found.update(_words(form.surname, self._key))
            found.update(_surname_kind(kind, self._key) for kind in kinds)
        return frozenset(found)

    @cached_property
    def _firsts(self) -> frozenset[int]:
        """The first name and its slips. A slip is between a known first name and an unknown one."""
        divided = (divided_given_name(form) for form in self._name.forms)
        whole = (_first(first, first in self._rules.first_names, self._key) for first in divided if first)
        return frozenset((*whole, *(each for form in self._name.forms for each in self._slips(form.first))))

    def _slips(self, first: str) -> Iterator[int]:
        names, least = self._rules.first_names, self._rules.edit_min_letters
        known = first in names
        if not known:
            slips = set(corrected_first_name(first, self._rules))
        elif len(first) >= least:
            slips = {word for word in one_edit(first) if len(word) >= least} - names
        else:
            slips = set()
        yield _first(first, known, self._key)
        yield from (blocking.keyed_hash(_first_text(slip, not known), self._key) for slip in slips)


def _all_known(surname: tuple[str, ...], rules: Rules) -> bool:
    return rules.surnames.issuperset(surname)


def _words(surname: tuple[str, ...], key: bytes) -> tuple[int, ...]:
    return tuple(_hash(f"word {word}", key) for word in dict.fromkeys((*surname, "".join(surname))))


def _first(first: str, known: bool, key: bytes) -> int:
    return _hash(_first_text(first, known), key)


def _first_text(first: str, known: bool) -> str:
    return f"{'known' if known else 'unknown'} first {first}"


def _surname_kind(all_known: bool, key: bytes) -> int:
    return _hash(f"surname {'known' if all_known else 'unknown'}", key)
