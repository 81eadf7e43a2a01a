"""Which other names may a name be meant for, if the pen has slipped once? Called by the tags, so that a
person is counted under every spelling that the gates take for theirs; pure.

As in `spelling.is_slip`, of two spellings one is known and one is not. So a name of known words stands for
itself alone, and one with an unknown word for every known name that is one edit away.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations
from string import ascii_uppercase

from msgspec import Struct
from msgspec.structs import replace

from glomar_verifier.matching.normalise import NormalName
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.spelling import telling
from glomar_verifier.matching.word_list import Words

_BITS_PER_WORD = 32
"""At least: then one candidate of 30 or fewer is looked for in vain."""

_MOST_WORDS = 1_000
"""In all readings of one name."""


class _Known(Struct, frozen=True):
    """Tables of words, and one bit a word (Bloom's filter), since hundreds of spellings are tried for one
    word and few are known."""

    tables: tuple[Words, ...]
    bits: bytearray
    mask: int
    longest: int

    def among(self, words: set[str]) -> list[str]:
        bits, mask = self.bits, self.mask
        maybe = [word for word in words if bits[(at := hash(word) & mask) >> 3] >> (at & 7) & 1]
        return [word for word in maybe if is_known(word, *self.tables)]


@lru_cache(maxsize=4)
def _known(*tables: Words) -> _Known:
    mask = (1 << (_BITS_PER_WORD * sum(map(len, tables))).bit_length()) - 1
    bits = bytearray((mask >> 3) + 1)
    longest = 0
    for table in tables:
        for word in table:
            at = hash(word) & mask
            bits[at >> 3] |= 1 << (at & 7)
            longest = max(longest, len(word))
    return _Known(tables, bits, mask, longest)


def known_among(words: set[str], table: Words) -> set[str]:
    return set(_known(table).among(words))


def prepare(rules: Rules) -> None:
    """Makes the filters, a fifth of a second, which else the first unknown word would wait for."""
    _known(rules.first_names)
    _known(*_surname_tables(rules))


def readings(name: NormalName, rules: Rules) -> tuple[NormalName, ...]:
    """The name, and each that one slip in it may have been meant for. None at all if they are too many to be
    counted, as of a surname of ten unknown short words: then nobody may be confirmed by this name.

    Two names that pass the gates without a birth date have readings that are equal but for what
    `disclosure.same_name` allows. More than those may: of two unknown spellings of one known name each may be
    its slip, though neither is the other's.
    """
    firsts = meant_by(name.first, rules.edit_min_letters, rules.first_names)
    read = dict.fromkeys((name, *(replace(name, first=first) for first in firsts)))
    read.update(dict.fromkeys(replace(name, surname=surname) for surname in _mended(name.surname, rules)))
    # The counts keep each under every word of the surname.
    return tuple(read) if len(read) * len(name.surname) <= _MOST_WORDS else ()


@lru_cache(maxsize=32_768)
def is_known(word: str, *tables: Words) -> bool:
    """In one of the tables. Kept, as names come again and again."""
    return any(word in table for table in tables)


def spellings(name: NormalName, rules: Rules) -> Iterator[NormalName]:
    """Its readings, with the surnames as they are, joined, or some of them in any order (at most three)."""
    for one in readings(name, rules):
        tokens = tuple(telling(one.surname, rules).elements())
        choices = (chosen for many in (1, 2, 3) for chosen in permutations(tokens, many))
        surnames = dict.fromkeys((one.surname, ("".join(one.surname),), *choices))
        yield from (replace(one, surname=surname) for surname in surnames)


def _surname_tables(rules: Rules) -> tuple[Words, Words]:
    return rules.surnames, rules.rare_surnames


def _mended(surname: tuple[str, ...], rules: Rules) -> Iterator[tuple[str, ...]]:
    """A letter may also stand where a blank was meant (Garciaxlopez), or a blank for a letter (Vand rbilt)
    within the word."""
    tables, least = _surname_tables(rules), rules.edit_min_letters
    if all(is_known(word, *tables) for word in surname):
        return
    for at, word in enumerate(surname):
        before, after = surname[:at], surname[at + 1 :]
        yield from ((*before, meant, *after) for meant in meant_by(word, least, *tables))
        yield from ((*before, *two, *after) for two in _two_in_one(word, *tables))
        if after and not (is_known(word, *tables) and is_known(after[0], *tables)):
            yield from ((*before, one, *after[1:]) for one in _one_in_two(word, after[0], *tables))


@lru_cache(maxsize=32_768)
def meant_by(word: str, least: int, *tables: Words) -> tuple[str, ...]:
    """Known words one edit from an unknown one, both of at least so many letters."""
    if len(word) < least or not word.isalpha() or is_known(word, *tables):
        return ()
    known = _known(*tables)
    # Far from every word: some letters fold to twenty, and the edits of thousands fill the memory.
    if len(word) > known.longest + 1:
        return ()
    return tuple(sorted(each for each in known.among(one_edit(word)) if len(each) >= least))


def one_edit(word: str) -> set[str]:
    """As `spelling.edits` counts: a letter put in, left out or changed, two neighbours swapped."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    put_in = {head + letter + tail for head, tail in cuts for letter in ascii_uppercase}
    changed = {head + letter + tail[1:] for head, tail in cuts[:-1] for letter in ascii_uppercase}
    left_out = {head + tail[1:] for head, tail in cuts[:-1]}
    swapped = {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts[:-2]}
    return put_in | changed | left_out | swapped


def _two_in_one(word: str, *tables: Words) -> list[tuple[str, str]]:
    if not word.isalpha() or is_known(word, *tables):
        return []
    pairs = [(word[:at], word[at + 1 :]) for at in range(1, len(word) - 1)]
    halves = set(_known(*tables).among({half for pair in pairs for half in pair}))
    return [pair for pair in pairs if halves.issuperset(pair)]


def _one_in_two(one: str, other: str, *tables: Words) -> list[str]:
    if not (one + other).isalpha():
        return []
    return _known(*tables).among({one + letter + other for letter in ascii_uppercase})
