"""Which names are taken for one person's once a birth date vouches for it, under keys by which the names stay
hidden. Called by the tags; pure.

Wider than the gates (`match._failed_names`): a surname that holds an unknown word may be any other, since two
edits reach too many to be listed. What keeps namesakes apart is the birth date and the first name.
"""

from functools import lru_cache

from glomar_verifier import blocking
from glomar_verifier.disclosure import DatedName
from glomar_verifier.mending import is_known
from glomar_verifier.normalise import NormalName
from glomar_verifier.rules import Rules

# Kept, since the register mostly has the name that was asked.
_hash = lru_cache(maxsize=1_024)(blocking.keyed_hash)


def asked_ways(name: NormalName, key: bytes, rules: Rules) -> tuple[DatedName, ...]:
    """As it stands, and with first and last name in each other's place (`spelling.exchanged`).

    key: 32 bytes, of an agency and a birth date.
    """
    turned = "".join(name.surname), (name.first,)
    return tuple(
        DatedName(
            firsts=_firsts(first, is_known(first, rules.first_names), key, rules.edit_min_letters),
            surnames=(*_words(surname, key), _mark("surname", _all_known(surname, rules), key)),
        )
        for first, surname in ((name.first, name.surname), turned)
    )


def known_ways(name: NormalName, key: bytes, rules: Rules) -> tuple[DatedName, ...]:
    """Of the register: in each place what a name that was asked must have to be taken for it. A slip lies
    between a known first name and an unknown one; surnames may differ if not both are known."""
    others = (False, True) if not _all_known(name.surname, rules) else (False,)
    return (
        DatedName(
            firsts=_firsts(
                name.first, not is_known(name.first, rules.first_names), key, rules.edit_min_letters
            ),
            surnames=(*_words(name.surname, key), *(_mark("surname", other, key) for other in others)),
        ),
    )


def _all_known(surname: tuple[str, ...], rules: Rules) -> bool:
    return all(is_known(word, rules.surnames) for word in surname)


def _words(surname: tuple[str, ...], key: bytes) -> tuple[int, ...]:
    return tuple(_hash(f"word {word}", key) for word in dict.fromkeys((*surname, "".join(surname))))


def _firsts(first: str, known: bool, key: bytes, least: int) -> tuple[int, ...]:
    """The name itself, and marked as known or not, what is left of it without one letter: any two words one
    edit apart have a rest in common."""
    mark = _mark("first name", known, key)
    rests = _rests(first, key) if len(first) >= least else ()
    return (_hash(f"first {first}", key), *(rest ^ mark for rest in rests))


@lru_cache(maxsize=128)
def _rests(word: str, key: bytes) -> tuple[int, ...]:
    rests = {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}
    return tuple(blocking.keyed_hash(f"rest {rest}", key) for rest in rests)


def _mark(what: str, known: bool, key: bytes) -> int:
    return _hash(f"{what} {'known' if known else 'unknown'}", key)
