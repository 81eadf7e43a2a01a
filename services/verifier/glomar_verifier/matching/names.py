"""The normal form of a name, the same for the register and for a request. Pure."""

from collections.abc import Sequence

import msgspec

from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.text import fold


class NormalName(msgspec.Struct, frozen=True, array_like=True):
    """`first` without spaces; `middle` as words with a space between; `surname` as tokens in the written
    order; suffix JR, SR, II …; `first_words` are the words of a first name of several words, else empty."""

    first: str
    middle: str
    surname: tuple[str, ...]
    suffix: str
    first_words: tuple[str, ...] = ()


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
