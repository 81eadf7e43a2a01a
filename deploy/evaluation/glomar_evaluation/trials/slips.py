"""Typing errors, and look-alikes of names. Pure, apart from the random generator."""

import random
from functools import lru_cache

from anyascii import anyascii
from glomar_verifier.matching.corrections import one_edit

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def mistyped(word: str, rng: random.Random) -> str:
    """One letter inserted, deleted or replaced, or two neighbours swapped; never the same word."""
    while True:
        at = rng.randrange(len(word))
        letter = rng.choice(LETTERS.lower() if word[-1:].islower() else LETTERS)
        wrong = rng.choice(
            (
                word[:at] + letter + word[at:],
                word[:at] + word[at + 1 :],
                word[:at] + letter + word[at + 1 :],
                word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
            )
        )
        if wrong and wrong.upper() != word.upper():
            return wrong


def mistyped_in(text: str, rng: random.Random) -> str | None:
    """One typing error in the longest word of letters; None if no word has three letters."""
    words = text.split()
    candidates = [word for word in words if word.isalpha() and len(word) >= 3]
    if not candidates:
        return None
    word = max(candidates, key=len)
    return text.replace(word, mistyped(word, rng), 1)


def look_alike(name: str, known: frozenset[str], rng: random.Random) -> str | None:
    """Another known name one edit away; None if there is none."""
    near = _near(anyascii(name).upper(), known)
    return rng.choice(near).title() if near else None


@lru_cache(maxsize=50_000)
def _near(word: str, known: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted((one_edit(word) - {word}) & known))
