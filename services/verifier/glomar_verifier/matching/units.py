"""The units of an address as a set of designators (USPS Publication 28, section 213 and Appendix C2). Pure.

A unit is its designator and its identifier: APT 4B, FL 2, BLDG C, REAR. #4B has no known designator.
"""

import re
from collections.abc import Iterator, Sequence

from glomar_verifier.matching.rules import Rules

UNKNOWN = "#"
GENERIC = "APT"
_GLUED = re.compile(r"([A-Z]{2,})([0-9][0-9A-Z]*)\Z")
_ORDINAL = re.compile(r"([0-9]+)(?:ST|ND|RD|TH)\Z")
_NOT_BETWEEN_DIGITS = re.compile(r"(?<![0-9]) | (?![0-9])")
_MAX_IDENTIFIER = 6


def joined(tokens: Sequence[str]) -> str:
    """12 A -> 12A; but 1 23 is not 12 3, so a space between two digits stays."""
    return _NOT_BETWEEN_DIGITS.sub("", " ".join(tokens))


def number_sign_as_word(text: str) -> str:
    """Section 213.3: # stands for an unknown designator."""
    return text.replace("#", " NUM ") if "#" in text else text


def read_units(words: str, rules: Rules) -> tuple[str, ...]:
    """The units in the unit field, sorted. A text without a designator is one unknown unit."""
    if not words:
        return ()
    tokens = list(_unglued(words.split(), rules))
    found, at = [], 0
    while at < len(tokens):
        unit, at = _next_unit(tokens, at, rules)
        if unit:
            found.append(unit)
    return tuple(sorted(set(found)))


def units_after_street(tokens: Sequence[str], rules: Rules) -> tuple[str, ...] | None:
    """The units at the end of a street line, or None if these tokens are anything else: each designator must
    be known and have a plain identifier, since streets are called Stop 11 Rd and Lower 10th St."""
    rest = list(_unglued(tokens, rules))
    found, at = [], 0
    while at < len(rest):
        start = at
        if not _is_unit(rest, at, rules):
            return None
        unit, at = _next_unit(rest, at, rules)
        identifier = rest[start + 1 : at]
        if _floor(rest, start, rules) is None and not _is_plain(rest[start], identifier, rules):
            return None
        found.append(unit)
    return tuple(sorted({unit for unit in found if unit}))


def units_agree(one: Sequence[str], other: Sequence[str], rules: Rules) -> bool:
    """No contradiction: what only one side names may have been left out, unless the other names something
    else. An unknown designator stands for any that numbers a dwelling."""
    if one == other or not one or not other:
        return True
    only_one, only_other = (
        [unit for unit in one if unit not in other],
        [unit for unit in other if unit not in one],
    )
    if not only_one or not only_other:
        return True
    if len(only_one) > 1 or len(only_other) > 1:
        return False
    [left], [right] = only_one, only_other
    return _stands_for(left, right, rules) or _stands_for(right, left, rules)


def _stands_for(unknown: str, unit: str, rules: Rules) -> bool:
    identifier = unknown.removeprefix(UNKNOWN)
    return identifier != unknown and any(unit == f"{kind} {identifier}" for kind in rules.postal.signed_kinds)


def _unglued(tokens: Sequence[str], rules: Rules) -> Iterator[str]:
    """APT4B -> APT 4B."""
    for token in tokens:
        parts = _GLUED.match(token)
        if parts and (parts[1] in rules.postal.unit_kinds or parts[1] in rules.postal.unit_signs):
            yield from parts.groups()
        else:
            yield token


def _is_unit(tokens: Sequence[str], at: int, rules: Rules) -> bool:
    word = tokens[at]
    return (
        word in rules.postal.unit_kinds
        or word in rules.postal.unit_signs
        or _floor(tokens, at, rules) is not None
    )


def _floor(tokens: Sequence[str], at: int, rules: Rules) -> str | None:
    """2ND FLOOR, SECOND FL, 2 FLOOR -> 2, if no identifier follows the designator."""
    if at + 1 >= len(tokens) or rules.postal.unit_kinds.get(tokens[at + 1]) != "FL":
        return None
    if at + 2 < len(tokens) and not _is_unit(tokens, at + 2, rules):
        return None
    number = _ordinal(tokens[at], rules)
    return number if number.isdigit() else None


def _ordinal(word: str, rules: Rules) -> str:
    found = _ORDINAL.match(word)
    return found[1] if found else rules.ordinals.get(word, word)


def _next_unit(tokens: Sequence[str], at: int, rules: Rules) -> tuple[str, int]:
    """-> (the unit that begins here, where the next one begins). Blank for APT or # without an
    identifier."""
    postal = rules.postal
    floor = _floor(tokens, at, rules)
    if floor is not None:
        return f"FL {floor}", at + 2
    first, at = at, _after_signs(tokens, at, rules)
    kind = postal.unit_kinds.get(tokens[at], "")
    if kind or (at == first and tokens[at] in postal.unit_signs):
        at += 1
    if kind:
        # APT NO 4, LOT # 7
        at = _after_signs(tokens, at, rules)
    start = at
    while at < len(tokens) and ((at == start and not kind) or not _is_unit(tokens, at, rules)):
        at += 1
    identifier = [_ordinal(word, rules) for word in tokens[start:at]] if kind == "FL" else tokens[start:at]
    if len(identifier) == 1 and identifier[0] in postal.numbers:
        identifier = [str(postal.numbers[identifier[0]])]
    text = joined(identifier)
    # N O 4, P H 2
    parts = None if kind else _GLUED.match(text)
    if parts and (parts[1] in postal.unit_kinds or parts[1] in postal.unit_signs):
        kind, text = postal.unit_kinds.get(parts[1], ""), parts[2]
    if (kind in ("", GENERIC) and not text) or (not kind and text in postal.unit_signs):
        return "", at
    return (f"{kind} {text}".rstrip() if kind else UNKNOWN + text), at


def _after_signs(tokens: Sequence[str], at: int, rules: Rules) -> int:
    """Where the signs end, or the last token."""
    while at + 1 < len(tokens) and tokens[at] in rules.postal.unit_signs:
        at += 1
    return at


def _is_plain(designator: str, identifier: Sequence[str], rules: Rules) -> bool:
    """4, 4B, 4 B, H206, CA; not ROAD, and not ST."""
    postal = rules.postal
    kind = postal.unit_kinds.get(designator, "")
    words = [word for word in identifier if word not in postal.unit_signs]
    if not words:
        return kind in postal.kinds_alone or (designator not in rules.street_types and kind in ("", GENERIC))
    if kind == "FL" and len(words) == 1 and _ordinal(words[0], rules).isdigit():
        return True
    first, *more = words
    if not all(len(word) == 1 or word.isdigit() for word in more):
        return False
    if len(first) == 1 or first in postal.numbers:
        return True
    if _ORDINAL.match(first) or len(first) > _MAX_IDENTIFIER:
        return False
    if any(character.isdigit() for character in first):
        return True
    named = first in rules.street_types or first in rules.directionals
    return (kind in ("", GENERIC, "BLDG") and len(first) == 2) and not named
