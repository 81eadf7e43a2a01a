"""Numbered roads in one spelling (USPS Publication 28, section 237 and Appendix F). Pure."""

import re

from glomar_verifier.matching.rules import Rules

_GLUED = re.compile(r"([A-Z]+)([0-9]{1,5}[A-Z]{0,2})\Z")
_NUMBER = re.compile(r"[0-9]{1,5}[A-Z]{0,2}\Z")
_ORDINAL = re.compile(r"[0-9]+(?:ST|ND|RD|TH)\Z")
_LETTERS = re.compile(r"[A-Z]{1,2}(?:[0-9]{1,3}[A-Z]?)?\Z")
_MAX_WORDS = 5
_STATE_ROAD = "STATE ROAD"
# Roads that some states name by letters: County Highway CC, State Route MM.
_LETTERED = {"COUNTY HIGHWAY", "COUNTY ROAD", "HIGHWAY", "ROUTE", _STATE_ROAD}


def with_highway(tokens: list[str], state: str, rules: Rules) -> tuple[list[str], int]:
    """CR 12 -> one token, COUNTY ROAD 12; directions and words such as OLD may stand before it. -> (tokens,
    how many of them end with the highway), or the tokens as they are and 0. `state`: KY 440 is a state road
    in Kentucky."""
    postal = rules.postal
    start = 0
    while start < len(tokens) - 1 and (
        tokens[start] in rules.directionals or tokens[start] in postal.qualifiers
    ):
        start += 1
    # North Carolina 54: the direction may belong to the state.
    for begin in range(start, -1, -1):
        rest = _unglued(tokens[begin:], state, rules)
        found = _read(rest, state, rules)
        if found is not None:
            break
    else:
        return tokens, 0
    start = begin
    standard, number, length = found
    before = [postal.qualifiers.get(word, word) for word in tokens[:start]]
    after = [postal.qualifiers.get(word, word) for word in rest[length:]]
    return [*before, f"{standard} {number}", *after], start + 1


def _unglued(tokens: list[str], state: str, rules: Rules) -> list[str]:
    """FM1960 -> FM 1960."""
    parts = _GLUED.match(tokens[0]) if tokens else None
    if parts and (
        parts[1] == state or rules.postal.highway_words.get(parts[1], parts[1]) in rules.postal.highways
    ):
        return [*parts.groups(), *tokens[1:]]
    return tokens


def _read(tokens: list[str], state: str, rules: Rules) -> tuple[str, str, int] | None:
    """-> (standard designator, number, tokens that they take)."""
    words = [rules.postal.highway_words.get(word, word) for word in tokens[: _MAX_WORDS + 3]]
    for length in range(min(_MAX_WORDS, len(words) - 1), 0, -1):
        standard = rules.postal.highways.get(" ".join(words[:length]))
        if standard and (found := _numbered(tokens, length, standard, rules)):
            return standard, *found
    named = _state_words(tokens, state, rules)
    if not named:
        return None
    rest = tokens[named:]
    found_in_rest = _read(rest, "", rules)
    if found_in_rest and found_in_rest[0] not in ("HIGHWAY", "ROAD", "ROUTE"):
        return found_in_rest[0], found_in_rest[1], found_in_rest[2] + named
    if found_in_rest:
        return _STATE_ROAD, found_in_rest[1], found_in_rest[2] + named
    if found := _numbered(rest, 0, "", rules):
        return _STATE_ROAD, found[0], found[1] + named
    return None


def _numbered(tokens: list[str], at: int, standard: str, rules: Rules) -> tuple[str, int] | None:
    """-> (the number after `at` tokens, tokens up to it)."""
    if at < len(tokens) - 1 and tokens[at] in rules.postal.unit_signs:
        at += 1
    if at >= len(tokens):
        return None
    word = tokens[at]
    if _NUMBER.match(word) and not _ORDINAL.match(word):
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        if len(after) == 1 and after.isalpha() and after not in rules.directionals and word.isdigit():
            return word + after, at + 2
        return word.lstrip("0") or "0", at + 1
    if standard in _LETTERED and _LETTERS.match(word) and word not in rules.street_types:
        return word, at + 1
    return None


def _state_words(tokens: list[str], state: str, rules: Rules) -> int:
    """How many tokens name this state; 0 if they do not."""
    if not state or state in rules.directionals:
        return 0
    for length in (1, 2, 3):
        name = " ".join(tokens[:length])
        if name == state or rules.postal.state_codes.get(name) == state:
            return length
    return 0
