"""Which names are taken for one person's once a birth date vouches for it, under keys by which the names stay
hidden. Called by the tags, and by the counts to compare; pure.

Wider than the gates (`match._failed_names`): a surname that holds an unknown word may be any other, since two
edits reach too many to be listed. What keeps namesakes apart is the birth date and the first name.
"""

from functools import cached_property, lru_cache

from glomar_verifier.decisions.disclosure import DatedName
from glomar_verifier.matching import blocking
from glomar_verifier.matching.corrections import corrected_first_name, one_edit
from glomar_verifier.matching.normalise import NormalName
from glomar_verifier.matching.rules import Rules

# Kept, since the register mostly has the name that was asked.
_hash = lru_cache(maxsize=1_024)(blocking.keyed_hash)


def asked_ways(name: NormalName, key: bytes, rules: Rules) -> tuple[DatedName, ...]:
    """As it stands, and with first and last name in each other's place (`spelling.exchanged`).

    key: 32 bytes, of an agency and a birth date.
    """
    turned = "".join(name.surname), (name.first,)
    return tuple(
        DatedName(
            first=_first(first, first in rules.first_names, key),
            surnames=(*_words(surname, key), _mark(_all_known(surname, rules), key)),
        )
        for first, surname in ((name.first, name.surname), turned)
    )


class KnownName:
    """A name on record, beside a birth date: what of it must be told apart is worked out when it is needed,
    since few were born on one day."""

    def __init__(self, name: NormalName, key: bytes, rules: Rules) -> None:
        """key: as in `asked_ways`."""
        self._name, self._key, self._rules = name, key, rules

    def may_be_meant(self, asked: DatedName) -> bool:
        """May the one be meant for the other?"""
        return not self._surnames.isdisjoint(asked.surnames) and asked.first in self._firsts

    @cached_property
    def _surnames(self) -> frozenset[int]:
        """Surnames may differ if not both are known."""
        surname = self._name.surname
        others = (False,) if _all_known(surname, self._rules) else (False, True)
        return frozenset((*_words(surname, self._key), *(_mark(other, self._key) for other in others)))

    @cached_property
    def _firsts(self) -> frozenset[int]:
        """Itself, and its slips: they lie between a known first name and an unknown one."""
        first, names, least = self._name.first, self._rules.first_names, self._rules.edit_min_letters
        known = first in names
        if not known:
            slips = set(corrected_first_name(first, self._rules))
        elif len(first) >= least:
            edits = {word for word in one_edit(first) if len(word) >= least}
            slips = edits - names
        else:
            slips = set()
        texts = (_text(slip, not known) for slip in slips)
        return frozenset(
            (_first(first, known, self._key), *(blocking.keyed_hash(t, self._key) for t in texts))
        )


def _all_known(surname: tuple[str, ...], rules: Rules) -> bool:
    return rules.surnames.issuperset(surname)


def _words(surname: tuple[str, ...], key: bytes) -> tuple[int, ...]:
    return tuple(_hash(f"word {word}", key) for word in dict.fromkeys((*surname, "".join(surname))))


def _first(first: str, known: bool, key: bytes) -> int:
    return _hash(_text(first, known), key)


def _text(first: str, known: bool) -> str:
    return f"{'known' if known else 'unknown'} first {first}"


def _mark(all_known: bool, key: bytes) -> int:
    return _hash(f"surname {'known' if all_known else 'unknown'}", key)
