"""The street line of an address in parts: street, units, urbanization (USPS Publication 28, sections 21, 23
and 29). Pure."""

import re
from collections.abc import Sequence

import msgspec

from glomar_verifier.matching.highways import with_highway
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.units import units_after_street

_ORDINAL_NUMBER = re.compile(r"([0-9]+)(?:ST|ND|RD|TH)\Z")
_TWO_DIRECTIONS = {("N", "E"): "NE", ("N", "W"): "NW", ("S", "E"): "SE", ("S", "W"): "SW"}


class Street(msgspec.Struct, frozen=True, array_like=True):
    """USPS Publication 28 section 232: N | MAIN | ST | (blank). `base` is words with a space between."""

    direction: str = ""
    base: str = ""
    type: str = ""
    post_direction: str = ""


class StreetLine(msgspec.Struct, frozen=True):
    street: Street
    units: tuple[str, ...] = ()
    urbanization: str = ""


def read_street_line(words: str, state: str, rules: Rules) -> StreetLine:
    """`words` are folded; `state` is the state's two letters."""
    if not words:
        return StreetLine(Street())
    urbanization = ""
    tokens = words.split()
    if state == "PR":
        tokens, urbanization = _split_urbanization(tokens, rules)
    tokens, fixed = with_highway(tokens, state, rules)
    tokens, units = _split_units(tokens, fixed, rules)
    return StreetLine(_street(tokens, rules), units, urbanization)


def read_urbanization(words: str, rules: Rules) -> str:
    """URB LAS GLADIOLAS -> LAS GLADIOLAS. The words that people shorten are in one spelling."""
    postal = rules.postal
    tokens = words.split()
    while len(tokens) > 1 and tokens[0] in postal.area_dropped:
        tokens = tokens[1:]
    return " ".join(postal.area_words.get(word, word) for word in tokens)


def split_urbanization_from_unit(words: str, rules: Rules) -> tuple[str, str]:
    """-> (the unit, the urbanization), for a unit field in Puerto Rico: URB LAS GLADIOLAS APT 4. Words that
    are no designator and hold no digit name an area."""
    postal = rules.postal
    tokens, area, rest = words.split(), list[str](), list[str]()
    for word in tokens:
        named = word in postal.unit_kinds or word in postal.unit_signs
        if rest or named or not word.isalpha() or (len(tokens) == 1 and len(word) < 3):
            rest.append(word)
        else:
            area.append(word)
    return " ".join(rest), read_urbanization(" ".join(area), rules)


def _split_urbanization(tokens: list[str], rules: Rules) -> tuple[list[str], str]:
    """URB LAS GLADIOLAS CALLE 5, or CALLE 5 URB LAS GLADIOLAS. A line that is only an urbanization stays:
    some have no streets."""
    postal = rules.postal
    announced = postal.area_dropped | postal.area_words.keys() - postal.street_prefixes
    if tokens[0] in announced:
        for at, word in enumerate(tokens[1:], start=1):
            if word in postal.street_prefixes and at + 1 < len(tokens):
                return tokens[at:], read_urbanization(" ".join(tokens[:at]), rules)
        return tokens, ""
    for at, word in enumerate(tokens[2:], start=2):
        if word in postal.area_dropped and at + 1 < len(tokens):
            return tokens[:at], read_urbanization(" ".join(tokens[at:]), rules)
    return tokens, ""


def _split_units(tokens: list[str], fixed: int, rules: Rules) -> tuple[list[str], tuple[str, ...]]:
    """MAIN ST APT 4 -> (MAIN ST), (APT 4). Units begin after the first `fixed` tokens and after a name, which
    is more than a direction: N RM 620 and Lower 10th St have no unit."""
    no_name = rules.directionals.keys() | rules.postal.qualifiers.keys()
    for at in range(max(1, fixed), len(tokens)):
        if not fixed and no_name.issuperset(tokens[:at]):
            continue
        units = units_after_street(tokens[at:], rules)
        if units is None:
            continue
        alone = rules.postal.unit_kinds.get(tokens[at]) in rules.postal.kinds_alone and at + 1 == len(tokens)
        # Lake Front is a street, and Main St Front is not.
        if alone and not (fixed or (at > 1 and _ends_a_street(tokens[at - 1], rules))):
            continue
        return tokens[:at], units
    return tokens, ()


def _ends_a_street(word: str, rules: Rules) -> bool:
    return word in rules.street_types or word in rules.directionals


def _street(tokens: list[str], rules: Rules) -> Street:
    """Direction, type and post-direction are split off only if a base name is left: "North St" is a base."""
    direction = type_ = post_direction = ""
    tokens = _joined_directions(tokens, rules)
    # Avenue N is a lettered avenue: a type with nothing before it is not a base name.
    lettered = len(tokens) == 2 and tokens[0] in rules.street_types
    if len(tokens) > 1 and not lettered and tokens[-1] in rules.directionals:
        post_direction = rules.directionals[tokens[-1]]
        tokens = tokens[:-1]
    if len(tokens) > 1 and tokens[-1] in rules.street_types:
        type_ = rules.street_types[tokens[-1]]
        tokens = tokens[:-1]
    if len(tokens) > 1 and tokens[0] in rules.directionals and not _directed_state(tokens, rules):
        direction = rules.directionals[tokens[0]]
        tokens = tokens[1:]
    base = _directed_state(tokens, rules) or " ".join(
        _base_word(word, rules) for word in _compound_ordinals(tokens, rules)
    )
    return Street(direction=direction, base=base, type=type_, post_direction=post_direction)


def _directed_state(tokens: Sequence[str], rules: Rules) -> str:
    """NORTH CAROLINA -> N CAROLINA: the direction belongs to the name (Atlantic City has both N North
    Carolina Ave and S North Carolina Ave). Blank for any other street."""
    if len(tokens) != 2 or tokens[0] not in rules.directionals:
        return ""
    name = f"{rules.directionals[tokens[0]]} {tokens[1]}"
    return name if name in rules.postal.directed_states else ""


def _joined_directions(tokens: list[str], rules: Rules) -> list[str]:
    """N W 5TH ST -> NW 5TH ST. But N WEST ST is West St, and AVENUE N W is Avenue N."""
    if len(tokens) < 3:
        return tokens
    first = _two_directions(tokens[:2], rules)
    if first and not all(word in rules.street_types or word in rules.directionals for word in tokens[2:]):
        tokens = [first, *tokens[2:]]
    last = _two_directions(tokens[-2:], rules)
    if last and len(tokens) > 2 and not (len(tokens) == 3 and tokens[0] in rules.street_types):
        tokens = [*tokens[:-2], last]
    return tokens


def _two_directions(pair: Sequence[str], rules: Rules) -> str:
    one, other = (rules.directionals.get(word, "") for word in pair)
    return _TWO_DIRECTIONS.get((one, other), "")


def number_in_words(words: Sequence[str], rules: Rules) -> int:
    """ONE HUNDRED THIRTY -> 130."""
    total = part = 0
    for word in words:
        value = rules.postal.numbers.get(word, 0)
        if value >= 100:
            part = max(part, 1) * value
            if value == 1000:
                total, part = total + part, 0
        else:
            part += value
    return total + part


def _compound_ordinals(tokens: Sequence[str], rules: Rules) -> list[str]:
    """TWENTY FIRST -> 21, ONE HUNDRED AND THIRTY SIXTH -> 136. TH and ND written apart belong to the
    number."""
    words: list[str] = []
    run: list[str] = []
    for word in tokens:
        ordinal = rules.ordinals.get(word, "")
        if word in rules.postal.numbers or (word == "AND" and run):
            run.append(word)
            continue
        if run and ordinal:
            last = int(ordinal)
            before = number_in_words(run, rules)
            words.append(str(before * last if last == 100 and before < 100 else before + last))
        elif word in ("TH", "ND") and words and words[-1].isdigit() and not run:
            pass
        else:
            words += [*run, word]
        run = []
    return words + run


def _base_word(word: str, rules: Rules) -> str:
    ordinal = _ORDINAL_NUMBER.match(word)
    if ordinal:
        return ordinal[1]
    return rules.ordinals.get(word) or rules.base_words.get(word, word)
