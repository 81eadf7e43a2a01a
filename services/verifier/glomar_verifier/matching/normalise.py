"""The normal form of names and addresses, the same for the register and for a request. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec
from anyascii import anyascii
from glomar_schemas.errors import Malformed

from glomar_verifier.matching.rules import Rules

AddressForm = Literal["us", "au"]
ZIP_PATTERNS: dict[AddressForm, re.Pattern[str]] = {
    "us": re.compile(r"([0-9]{5})(?: ?[0-9]{4})?\Z"),
    "au": re.compile(r"([0-9]{4})\Z"),
}

# An apostrophe or a full stop joins (O'Brien, P.O.). A full stop between digits, and all else, separates.
_DECIMAL_POINT = re.compile(r"(?<=[0-9])\.(?=[0-9])")
_JOINING = re.compile(r"['`.]")
_SEPARATING = re.compile(r"[^A-Z0-9]+")
_NOT_BETWEEN_DIGITS = re.compile(r"(?<![0-9]) | (?![0-9])")
_PO_BOX = re.compile(r"(?:(?:P ?O|POST OFFICE)(?: |(?=BOX )))?(?:BOX )?([0-9A-Z]+)\Z")
_PO_BOX_STREET = re.compile(r"(?:P ?O|POST OFFICE) BOX ([0-9A-Z]+)\Z")
CACHED_CHARACTERS = 100
"""Longer texts are not cached: thousands of reasons would fill the memory."""

_ORDINAL_NUMBER = re.compile(r"([0-9]+)(?:ST|ND|RD|TH)\Z")


class NormalName(msgspec.Struct, frozen=True, array_like=True):
    """`first` without spaces; `middle` as words with a space between; `surname` as tokens in the written
    order; suffix JR, SR, II …; `first_words` are the words of a first name of several words, else empty."""

    first: str
    middle: str
    surname: tuple[str, ...]
    suffix: str
    first_words: tuple[str, ...] = ()


class Street(msgspec.Struct, frozen=True, array_like=True):
    """USPS Publication 28 section 232: N | MAIN | ST | (blank). `base` is words with a space between."""

    direction: str = ""
    base: str = ""
    type: str = ""
    post_direction: str = ""


class NormalAddress(msgspec.Struct, frozen=True, array_like=True):
    """Blank means not given. `zip5` has five digits in the form "us", four in "au"."""

    number: str
    po_box: str
    unit: str
    street: Street
    city: str
    state: str
    zip5: str


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


def normal_name(first: str, middle: str, last: str, suffix: str, rules: Rules) -> NormalName:
    """Raises Malformed (see `fold`). A Jr or III in another field is read as the suffix, and initials after
    the first name as the beginning of the middle name."""
    given = fold(suffix, "suffix").replace(" ", "")
    surname, last_suffixes = _split_suffixes(fold(last, "last_name").split(), rules, keep=1)
    firsts, first_suffixes = _split_suffixes(fold(first, "first_name").split(), rules, keep=1)
    middles, middle_suffixes = _split_suffixes(fold(middle, "middle_name").split(), rules, keep=0)
    initials: list[str] = []
    while len(firsts) > 1 and len(firsts[-1]) == 1:
        initials.insert(0, firsts.pop())
    if not "".join(middles).startswith("".join(initials)):
        middles = initials + middles
    suffixes = [rules.name_suffixes.get(given, given)] if given else []
    suffixes += first_suffixes + middle_suffixes + last_suffixes
    return NormalName(
        first="".join(firsts),
        middle=" ".join(middles),
        surname=_glued(surname, rules),
        # Two different suffixes equal no suffix on record, so they contradict every record: a deny.
        suffix="OR".join(dict.fromkeys(suffixes)),
        first_words=several(firsts),
    )


def several(words: Sequence[str]) -> tuple[str, ...]:
    """The words for `NormalName.first_words`: none unless there are several."""
    return tuple(words) if len(words) > 1 else ()


def _split_suffixes(words: list[str], rules: Rules, keep: int) -> tuple[list[str], list[str]]:
    """-> (the other words, the suffixes in standard form). The first `keep` words are names, and a single
    letter is an initial or a name: V stays."""
    names = [*words[:keep], *(word for word in words[keep:] if not _is_suffix(word, rules))]
    return names, [rules.name_suffixes[word] for word in words[keep:] if _is_suffix(word, rules)]


def _is_suffix(word: str, rules: Rules) -> bool:
    return len(word) > 1 and word in rules.name_suffixes


def _glued(words: list[str], rules: Rules) -> tuple[str, ...]:
    """MC DONALD -> MCDONALD, so that it never equals Donald."""
    tokens: list[str] = []
    prefix = ""
    for place, word in enumerate(words, start=1):
        if place < len(words) and _is_glued(word, words[place], rules):
            prefix += word
        else:
            tokens.append(prefix + word)
            prefix = ""
    return tuple(tokens)


def _is_glued(word: str, following: str, rules: Rules) -> bool:
    return word in rules.glued_prefixes or (
        word in rules.prefixes_glued_if_known and word + following in rules.surnames
    )


def normal_address(
    *,
    number: str,
    street: str,
    unit: str,
    po_box: str,
    city: str,
    state: str,
    zip_code: str,
    rules: Rules,
    form: AddressForm = "us",
) -> NormalAddress:
    """Raises Malformed (see `fold`; also for a text that is not a ZIP code). A PO box or a unit in the street
    line is found there. A ZIP+4 is cut to five digits."""
    words = fold(_number_sign_as_word(street), "street_name")
    box = fold(po_box, "po_box")
    in_street = _PO_BOX_STREET.match(words)
    if in_street and not box:
        words, box = "", in_street[1]
    found = _PO_BOX.match(box)
    street_parts, unit_in_street = _street_line(words, rules)
    return NormalAddress(
        number=_joined(fold(number, "street_number").split()),
        po_box=found[1] if found else box,
        unit=_normal_unit(fold(_number_sign_as_word(unit), "unit").split(), rules) or unit_in_street,
        street=street_parts,
        city=fold(city, "city"),
        state=fold(state, "state"),
        zip5=normal_zip(zip_code, form),
    )


@lru_cache(maxsize=32_768)
def _street_line(words: str, rules: Rules) -> tuple[Street, str]:
    """-> (the street, the unit after it). Cached, since every town has a Main Street."""
    tokens, unit = _split_unit(words.split(), rules)
    return _normal_street(tokens, rules), unit


def _number_sign_as_word(text: str) -> str:
    """USPS Publication 28 section 213.3: # stands for an unknown designator."""
    return text.replace("#", " NUM ")


def normal_zip(text: str, form: AddressForm) -> str:
    """ "12345-6789" -> "12345". Raises Malformed for anything but a ZIP code of this form."""
    found = ZIP_PATTERNS[form].match(fold(text, "zip"))
    if found is None:
        raise Malformed("not a ZIP code of this agreement's form", where="zip")
    return found[1]


def _split_unit(tokens: list[str], rules: Rules) -> tuple[list[str], str]:
    """MAIN ST APT 4 -> (MAIN ST), 4. The designator must follow a name and precede an identifier."""
    for index in range(1, len(tokens) - 1):
        word, after = tokens[index], tokens[index + 1]
        if (word in rules.generic_units or word in rules.units) and (after[0].isdigit() or len(after) == 1):
            return tokens[:index], _normal_unit(tokens[index:], rules)
    return tokens, ""


def _normal_unit(tokens: list[str], rules: Rules) -> str:
    """APT 4 B -> 4B, FL 2 -> FL2: the distinguishing part, as one word."""
    return _joined([rules.units.get(word, word) for word in tokens if word not in rules.generic_units])


def _joined(tokens: list[str]) -> str:
    """12 A -> 12A; but 1 23 is not 12 3, so a space between two digits stays."""
    return _NOT_BETWEEN_DIGITS.sub("", " ".join(tokens))


def _normal_street(tokens: list[str], rules: Rules) -> Street:
    """Direction, type and post-direction are split off only if a base name is left: "North St" is a base."""
    direction = type_ = post_direction = ""
    # Avenue N is a lettered avenue: a type with nothing before it is not a base name.
    lettered = len(tokens) == 2 and tokens[0] in rules.street_types
    if len(tokens) > 1 and not lettered and tokens[-1] in rules.directionals:
        post_direction = rules.directionals[tokens[-1]]
        tokens = tokens[:-1]
    if len(tokens) > 1 and tokens[-1] in rules.street_types:
        type_ = rules.street_types[tokens[-1]]
        tokens = tokens[:-1]
    if len(tokens) > 1 and tokens[0] in rules.directionals:
        direction = rules.directionals[tokens[0]]
        tokens = tokens[1:]
    base = " ".join(_base_word(word, rules) for word in _compound_ordinals(tokens, rules))
    return Street(direction=direction, base=base, type=type_, post_direction=post_direction)


def _compound_ordinals(tokens: list[str], rules: Rules) -> list[str]:
    """TWENTY FIRST -> 21."""
    words: list[str] = []
    for word in tokens:
        unit = rules.ordinals.get(word, "")
        if words and words[-1] in rules.tens and len(unit) == 1:
            words[-1] = rules.tens[words[-1]][0] + unit
        else:
            words.append(word)
    return words


def _base_word(word: str, rules: Rules) -> str:
    ordinal = _ORDINAL_NUMBER.match(word)
    if ordinal:
        return ordinal[1]
    return rules.ordinals.get(word) or rules.base_words.get(word, word)
