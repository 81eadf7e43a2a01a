"""Text of a name or an address in Latin letters, digits and single spaces. Pure."""

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii
from glomar_schemas.decoding import ZERO_WIDTH
from glomar_schemas.errors import Malformed

# An apostrophe or a full stop joins (O'Brien, P.O.). A full stop between digits, and all else, separates.
_DECIMAL_POINT = re.compile(r"(?<=[0-9])\.(?=[0-9])")
_JOINING = re.compile(r"['`.]")
_SEPARATING = re.compile(r"[^A-Z0-9]+")
# In Persian and Indic names a joiner shapes the letters; the name is the same without it. So it is without
# the line that stretches Arabic letters, and without the vowel signs of Arabic and Hebrew. anyascii does not
# read the letter alef.
_BEFORE_READING = {
    **ZERO_WIDTH,
    **dict.fromkeys((0x0640, *range(0x0591, 0x05C8), *range(0x064B, 0x0660), 0x0670)),
    0x0627: "\u0622",
}
_HTML_ENTITY = re.compile(r"&(?:#[0-9]{1,6}|#[xX][0-9A-Fa-f]{1,5}|[A-Za-z]{2,8}[0-9]{0,2});")
CACHED_CHARACTERS = 100
"""Longer texts are not cached: thousands of reasons would fill the memory."""


def fold(text: str, where: str) -> str:
    """NFKC, then ASCII (anyascii), upper case, no punctuation, single spaces; idempotent.

    `where` names the field for errors. Marks without a width are dropped. Raises Malformed for other control,
    format and surrogate characters (Unicode Cc, Cf, Cs), for pictures, for letters without a Latin reading,
    and for letters of several scripts in one text, since a Cyrillic A in a Latin name is a disguise and not a
    spelling.
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
    text = text.translate(_BEFORE_READING)
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs"):
            raise Malformed("holds a control, format or surrogate character")
    # 12½ is 12 and ½, not 121 and 2. 12² is not 122.
    spaced = "".join(f" {c}" if unicodedata.category(c) == "No" else c for c in text)
    composed = unicodedata.normalize("NFKC", spaced)
    scripts = _scripts(composed)
    if len(scripts) > 1 and not scripts <= _WRITTEN_TOGETHER:
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


def _scripts(text: str) -> set[str]:
    """The scripts of the letters, by the first word of each letter's Unicode name."""
    letters = {unicodedata.name(c, "?").split()[0] for c in text if unicodedata.category(c)[0] == "L"}
    return letters - {"MODIFIER"}


def require_no_entity(text: str, where: str) -> None:
    """Raises Malformed for M&uuml;ller: the file was exported wrongly, and other letters may be lost too."""
    if "&" in text and _HTML_ENTITY.search(text):
        raise Malformed("holds an HTML entity, as &amp;", where=where, fix="Export the file as plain text")


@lru_cache(maxsize=32_768)
def transliterated(text: str) -> str:
    """ "Müller" -> "MUELLER", as passports write it; blank if it holds none of these letters. Source: ICAO
    Doc 9303 part 3, section 6, table A, and DIN 5007-2."""
    if text.isascii():
        return ""
    composed = unicodedata.normalize("NFC", text).upper()
    written = "".join(_TRANSLITERATIONS.get(letter, letter) for letter in composed)
    return written if written != composed else ""


@lru_cache(maxsize=32_768)
def native_form(text: str) -> str:
    """The script and the text in it, in one form; blank for Latin letters. Two texts in one script may have
    one Latin reading and differ: 伟 and 威 are both Wei.

    Vowel signs are left out where names are written with and without them (Arabic, Hebrew), and accents in
    Cyrillic and Greek."""
    if text.isascii():
        return ""
    composed = unicodedata.normalize("NFKC", text.translate(_BEFORE_READING)).casefold()
    scripts = _scripts(composed)
    if not scripts or scripts == {"LATIN"}:
        return ""
    if scripts <= _OPTIONAL_MARKS:
        parts = unicodedata.normalize("NFKD", composed.translate(_ARABIC_LETTERS))
        composed = "".join(c for c in parts if unicodedata.category(c) not in ("Mn", "Lm"))
    words = "".join(c if unicodedata.category(c)[0] in "LM" else " " for c in composed).split()
    return " ".join(("+".join(sorted(scripts)), *words))


_TRANSLITERATIONS = {"Ä": "AE", "Ö": "OE", "Ü": "UE", "Å": "AA", "Ø": "OE"}
_OPTIONAL_MARKS = {"ARABIC", "HEBREW", "CYRILLIC", "GREEK"}
# Persian yeh and kaf, alef maksura and teh marbuta: letters that keyboards exchange.
_ARABIC_LETTERS = str.maketrans("\u064a\u0649\u0643\u0629", "\u06cc\u06cc\u06a9\u0647")
_WRITTEN_TOGETHER = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"}
