"""Corrected readings of a name: known words within one edit of an unknown word. Pure.

As in `spelling.is_slip`, of two spellings one is known and the other is not. A name of known words has no
other reading. A name with an unknown word has one reading for each known word within one edit.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations
from string import ascii_uppercase

from msgspec.structs import replace

from glomar_verifier.matching.names import NormalName, divided_given_name, first_parts
from glomar_verifier.matching.rule_files import MAX_WORD_LETTERS, WordList
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.spelling import distinguishing

_MAX_WORDS = 1_000
"""Surname words in all readings of one name: the counts keep each reading under every word of its surname."""


def readings(name: NormalName, rules: Rules) -> tuple[NormalName, ...]:
    """The name, and each name that it may stand for if one word has one wrong edit. Empty if they are too
    many to count, as for a surname of ten unknown short words: then nobody may be confirmed by this name.

    Two names that pass the gates without a birth date have readings that are equal except for what
    `same_name` allows. The reverse does not hold: two unknown spellings of one known name share a reading,
    although neither is a slip of the other.
    """
    found: dict[NormalName, None] = {}
    for form in name.forms:
        firsts = [form.first, *corrected_first_name(form.first, rules)]
        if divided := divided_given_name(form):
            firsts.append(divided)
        found.update(dict.fromkeys(replace(form, first=first) for first in firsts))
        found.update(
            dict.fromkeys(replace(form, surname=each) for each in _corrected_surnames(form.surname, rules))
        )
    return tuple(found) if len(found) * len(name.surname) <= _MAX_WORDS else ()


def spellings(name: NormalName, rules: Rules) -> Iterator[NormalName]:
    """The readings of the name, each with the surname as it is, joined, or as up to three of its words in any
    order; and with a part of the first name alone, as where the rest is in the column of the middle name."""
    parts = (replace(form, first=part) for form in name.forms for part in first_parts(form, rules))
    for reading in (*readings(name, rules), *parts):
        tokens = tuple(distinguishing(reading.surname, rules).elements())
        choices = (chosen for size in (1, 2, 3) for chosen in permutations(tokens, size))
        surnames = dict.fromkeys((reading.surname, ("".join(reading.surname),), *choices))
        yield from (replace(reading, surname=surname) for surname in surnames)


@lru_cache(maxsize=32_768)
def corrected_first_name(word: str, rules: Rules) -> tuple[str, ...]:
    """Known first names within one edit of an unknown one, sorted."""
    return _within_one_edit(word, rules.edit_min_letters, rules.first_names)


@lru_cache(maxsize=32_768)
def _corrected_surname_word(word: str, rules: Rules) -> tuple[str, ...]:
    return _within_one_edit(word, rules.edit_min_letters, rules.surnames, rules.rare_surnames)


def _within_one_edit(word: str, min_letters: int, *lists: WordList) -> tuple[str, ...]:
    """Both have at least `min_letters` letters."""
    if len(word) < min_letters or not word.isalpha() or any(word in words for words in lists):
        return ()
    # One character may fold to twenty letters: the edits of thousands of letters would fill the memory.
    if len(word) > MAX_WORD_LETTERS + 1:
        return ()
    edits = one_edit(word)
    return tuple(sorted({known for words in lists for known in edits & words if len(known) >= min_letters}))


def one_edit(word: str) -> set[str]:
    """All texts one edit away: a letter inserted, deleted or replaced, or two neighbours swapped."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    inserted = {head + letter + tail for head, tail in cuts for letter in ascii_uppercase}
    replaced = {head + letter + tail[1:] for head, tail in cuts[:-1] for letter in ascii_uppercase}
    deleted = {head + tail[1:] for head, tail in cuts[:-1]}
    swapped = {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts[:-2]}
    return inserted | replaced | deleted | swapped


def _corrected_surnames(surname: tuple[str, ...], rules: Rules) -> Iterator[tuple[str, ...]]:
    """A letter may also stand for a blank (Garciaxlopez), or a blank for a letter of a word (Vand rbilt)."""
    unknown = {word for word in surname if not _is_surname(word, rules)}
    for at, word in enumerate(surname if unknown else ()):
        before, after = surname[:at], surname[at + 1 :]
        if word in unknown:
            yield from ((*before, known, *after) for known in _corrected_surname_word(word, rules))
            yield from ((*before, *pair, *after) for pair in _split_in_two(word, rules))
        if after and not unknown.isdisjoint((word, after[0])):
            yield from ((*before, known, *after[1:]) for known in _joined_by_letter(word, after[0], rules))


def _is_surname(word: str, rules: Rules) -> bool:
    return word in rules.surnames or word in rules.rare_surnames


def _split_in_two(word: str, rules: Rules) -> list[tuple[str, str]]:
    """The word as two known words, without the letter between them."""
    if not word.isalpha():
        return []
    pairs = ((word[:at], word[at + 1 :]) for at in range(1, len(word) - 1))
    return [pair for pair in pairs if all(_is_surname(half, rules) for half in pair)]


def _joined_by_letter(left: str, right: str, rules: Rules) -> list[str]:
    """Known words that are the two words with one letter between them."""
    if not (left + right).isalpha():
        return []
    return [joined for letter in ascii_uppercase if _is_surname(joined := left + letter + right, rules)]
