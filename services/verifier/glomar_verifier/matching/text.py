"""Text of a name or an address in Latin letters, digits and single spaces. Pure."""

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii
from glomar_schemas.errors import Malformed

# An apostrophe or a full stop joins (O'Brien, P.O.). A full stop between digits, and all else, separates.
_DECIMAL_POINT = re.compile(r"(?<=[0-9])\.(?=[0-9])")
_JOINING = re.compile(r"['`.]")
_SEPARATING = re.compile(r"[^A-Z0-9]+")
CACHED_CHARACTERS = 100
"""Longer texts are not cached: thousands of reasons would fill the memory."""


def fold(text: str, where: str) -> str:
    """NFKC, then ASCII (anyascii), upper case, no punctuation, single spaces; idempotent.

    `where` names the field for errors. Raises Malformed for control, format and surrogate characters
    (Unicode Cc, Cf, Cs), for pictures, for letters without a Latin reading, and for letters of several
    scripts in one text, since a Cyrillic A in a Latin name is a disguise and not a spelling.
    """
    try:
        return _cached(text) if len(text) <= CACHED_CHARACTERS else _folded(text)
    except Malformed as fault:
        raise Malformed(fault.what, where=where) from None


def _folded(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        text = _latin(text)
    joined = _JOINING.sub("", _DECIMAL_POINT.sub(" ", text.upper()))
    return _SEPARATING.sub(" ", joined).strip()


# One request folds the same text up to four times, and most requests the same cities.
_cached = lru_cache(maxsize=32_768)(_folded)


def _latin(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs"):
            raise Malformed("holds a control, format or surrogate character")
    # 12½ is 12 and ½, not 121 and 2. 12² is not 122.
    spaced = "".join(f" {c}" if unicodedata.category(c) == "No" else c for c in text)
    composed = unicodedata.normalize("NFKC", spaced)
    scripts = {unicodedata.name(c, "?").split()[0] for c in composed if unicodedata.category(c)[0] == "L"}
    if len(scripts - {"MODIFIER"}) > 1 and not scripts <= _WRITTEN_TOGETHER:
        raise Malformed("mixes letters of several scripts")
    folded: list[str] = []
    for character in composed:
        latin = anyascii(character)
        # For a picture anyascii gives its English name: a rose is not Rose.
        if latin.startswith(":") and len(latin) > 1:
            raise Malformed("holds a picture")
        if not latin and unicodedata.category(character)[0] != "M":
            raise Malformed("holds a character without a Latin reading")
        folded.append(latin)
    return "".join(folded)


_WRITTEN_TOGETHER = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"}
