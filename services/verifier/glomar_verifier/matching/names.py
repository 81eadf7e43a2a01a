"""The normal form of a name, the same for the register and for a request. Pure."""

import re
from collections.abc import Iterator, Sequence

import msgspec
from glomar_schemas.errors import Malformed
from msgspec.structs import replace

from glomar_verifier.matching.generations import split_generations, suffix_of
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.text import fold, native_form, require_no_entity, transliterated

# J.R. are two initials; Jr. is a word.
_DOTTED_INITIAL = re.compile(r"(?<![^\W\d_])([A-Za-z]\.)(?=[A-Za-z])")
_NOT_APPLICABLE = re.compile(r"\s*N\s*/\s*A\.?\s*\Z", re.IGNORECASE)


class NormalName(msgspec.Struct, frozen=True, array_like=True):
    """`first` without spaces, blank for a person with one name, which is the surname then; `middle` as words
    with a space between; `surname` as tokens in the written order; suffix JR, SR, II …; `first_words` are the
    words of a first name of several words, else empty.

    `native` are first, middle and last name in their own script, each blank for Latin letters (see
    `native_form`), or nothing if all are Latin. `transliteration`: the name as passports write its umlauts.
    """

    first: str
    middle: str
    surname: tuple[str, ...]
    suffix: str
    first_words: tuple[str, ...] = ()
    native: tuple[str, ...] = ()
    transliteration: "NormalName | None" = None

    @property
    def forms(self) -> tuple["NormalName", ...]:
        """The readings in Latin letters."""
        return (self, self.transliteration) if self.transliteration else (self,)


def normal_name(first: str, middle: str, last: str, suffix: str, rules: Rules) -> NormalName:
    """Raises Malformed (see `fold`; also for an HTML entity). A Jr or III in another field is read as the
    suffix, and initials after the first name as the beginning of the middle name. A code for an unknown first
    or last name is left out."""
    columns, written = (first, middle, last), first + middle + last
    if "&" in written:
        for text, where in zip(columns, ("first_name", "middle_name", "last_name"), strict=True):
            require_no_entity(text, where)
    if not written.isascii():
        name = _normal_name(*columns, suffix, rules)
        other = [transliterated(text) for text in columns]
        if any(other):
            first, middle, last = (new or old for new, old in zip(other, columns, strict=True))
            name = replace(name, transliteration=_normal_name(first, middle, last, suffix, rules))
        native = tuple(native_form(text) for text in columns)
        return replace(name, native=native) if any(native) else name
    return _normal_name(*columns, suffix, rules)


def _normal_name(first: str, middle: str, last: str, suffix: str, rules: Rules) -> NormalName:
    first_folded, last_folded = _known_only(first, "first_name", rules), _known_only(last, "last_name", rules)
    surname, last_suffixes = split_generations(last_folded.split(), rules, keep=1, surname=True)
    firsts, first_suffixes = split_generations(_untitled(first_folded.split(), rules), rules, keep=1)
    middles, middle_suffixes = split_generations(_middle_words(middle, firsts, rules), rules, keep=0)
    if len(firsts) > 1 and all(len(word) == 1 for word in firsts):
        firsts = ["".join(firsts)]
    initials: list[str] = []
    while len(firsts) > 1 and len(firsts[-1]) == 1:
        initials.insert(0, firsts.pop())
    if not "".join(middles).startswith("".join(initials)):
        middles = initials + middles
    if firsts and not surname:
        firsts, surname = [], firsts
    firsts = _one_spelling(firsts, rules)
    suffixes = [*suffix_of(fold(suffix, "suffix").split(), rules)] if suffix else []
    suffixes += first_suffixes + middle_suffixes + last_suffixes
    return NormalName(
        first="".join(firsts),
        middle=" ".join(middles),
        surname=surname_tokens(surname, rules),
        # Two different suffixes equal no suffix on record, so they contradict every record: a deny.
        suffix="OR".join(dict.fromkeys(suffixes)),
        first_words=several(firsts),
    )


def several(words: Sequence[str]) -> tuple[str, ...]:
    """The words for `NormalName.first_words`: none unless there are several."""
    return tuple(words) if len(words) > 1 else ()


def one_name(first: str, last: str, rules: Rules) -> str:
    """The one name of a person who has only one: the other column is blank or holds a code for an unknown
    name. Blank if both columns hold a name, or neither."""
    try:
        firsts, lasts = _known_only(first, "first_name", rules), _known_only(last, "last_name", rules)
    except Malformed:
        return ""
    if firsts and lasts:
        return ""
    return last if lasts else first if firsts else ""


def _known_only(text: str, where: str, rules: Rules) -> str:
    """The folded text, blank for a code that says that the name is unknown."""
    folded = fold(_initials_apart(text) if where == "first_name" else text, where)
    return "" if folded in rules.unknown_names else folded


def _initials_apart(text: str) -> str:
    return _DOTTED_INITIAL.sub(r"\1 ", text) if "." in text else text


def _untitled(words: list[str], rules: Rules) -> list[str]:
    """Dr. Peter -> PETER."""
    return words[1:] if len(words) > 1 and words[0] in rules.titles else words


def _middle_words(middle: str, firsts: Sequence[str], rules: Rules) -> list[str]:
    """None for a text that says that there is no middle name."""
    if not middle or _NOT_APPLICABLE.match(middle):
        return []
    folded = fold(_initials_apart(middle), "middle_name")
    if folded in rules.no_middle_name or folded in rules.credentials:
        return []
    if folded == rules.no_middle_name_or_name and "".join(firsts) + folded not in rules.first_names:
        return []
    return folded.split()


def surname_tokens(words: list[str], rules: Rules) -> tuple[str, ...]:
    """The words of a surname, each prefix in its standard spelling and joined to its word."""
    return _glued(_one_spelling(words, rules), rules)


def _one_spelling(words: list[str], rules: Rules) -> list[str]:
    """SAINT FLEUR, SAINTFLEUR -> ST FLEUR, STFLEUR. A surname Saint stays."""
    if not any(word.startswith(rules.surname_prefix_spellings) for word in words):
        return words
    if len(words) == 1 and words[0] in rules.surname_prefixes:
        return words
    return [_prefix_respelt(word, rules) for word in words]


def _prefix_respelt(word: str, rules: Rules) -> str:
    for spelling, standard in rules.surname_prefixes.items():
        if word.startswith(spelling) and len(word) != len(spelling) + 1:
            return standard + word.removeprefix(spelling)
    return word


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


def divided_given_name(name: NormalName) -> str:
    """First and middle name as one word, as if both were the first name (Min, Ji: MINJI); blank if the middle
    name is blank or has an initial."""
    middles = name.middle.split()
    return name.first + "".join(middles) if middles and all(len(word) > 1 for word in middles) else ""


def first_parts(name: NormalName, rules: Rules) -> Iterator[str]:
    """The beginnings of the first name that may be the whole of it, with the rest as the middle name."""
    if name.first_words:
        yield from ("".join(name.first_words[:end]) for end in range(1, len(name.first_words)))
        return
    known = rules.first_names
    yield from (
        name.first[:at]
        for at in range(2, len(name.first) - 1)
        if name.first[:at] in known and name.first[at:] in known
    )
