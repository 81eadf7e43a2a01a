"""Whether two addresses in normal form are one place. Pure.

Of two spellings of one street, what the register knows in the same ZIP code decides first: two streets that
both stand there are two streets."""

from collections.abc import Container, Mapping

from rapidfuzz.distance import OSA

from glomar_verifier.matching.addresses import NormalAddress
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.spelling import different_words, is_slip
from glomar_verifier.matching.street_lines import Street
from glomar_verifier.matching.units import units_agree

KnownStreets = Mapping[str, int]
"""Names of streets of one ZIP code (`street_names`), and how many spells of the register are there. Empty:
nothing is known."""

NOTHING_KNOWN: KnownStreets = {}
_MAX_EDITS = 2


def same_delivery_point(
    one: NormalAddress,
    other: NormalAddress,
    rules: Rules,
    *,
    same_birth: bool,
    known: KnownStreets = NOTHING_KNOWN,
) -> bool:
    """The house number with its street, or the box, is equal; and none of them contradicts. A box on a route
    is equal only with its route. The urbanization must be the same, since it tells two streets of one name
    apart (Publication 28, section 292)."""
    if not (_equal_if_given(one.number, other.number) and _equal_if_given(one.po_box, other.po_box)):
        return False
    if one.urbanization.replace(" ", "") != other.urbanization.replace(" ", ""):
        return False
    if one.street.base and other.street.base:
        if not same_street(one.street, other.street, rules, same_birth=same_birth, known=known):
            return False
        if one.number and other.number:
            return True
    return one.po_box != "" and one.po_box == other.po_box


def same_units(one: NormalAddress, other: NormalAddress, rules: Rules) -> bool:
    """See `units.units_agree`."""
    return units_agree(one.units, other.units, rules)


def street_names(street: Street) -> tuple[str, ...]:
    """Names under which the register counts a street: its base; with two directions also the whole."""
    if street.direction and street.post_direction:
        return street.base, _gridded(street)
    return (street.base,) if street.base else ()


def doubtful_names(requested: Street, recorded: Street, rules: Rules) -> tuple[str, ...]:
    """The names whose counts decide whether these are two streets; none if the decision does not need
    them."""
    if not requested.base or not recorded.base:
        return ()
    if requested.base != recorded.base:
        if _same_directional(requested.base, recorded.base, rules) or (
            OSA.distance(requested.base, recorded.base, score_cutoff=_MAX_EDITS) <= _MAX_EDITS
        ):
            return requested.base, recorded.base
        return ()
    full = _fuller_grid(requested, recorded)
    return (_gridded(full[0]), *full[1]) if full else ()


def same_street(
    one: Street, other: Street, rules: Rules, *, same_birth: bool, known: KnownStreets = NOTHING_KNOWN
) -> bool:
    """Direction and type may be missing on one side, never different; every digit is exact. One slip may be
    anywhere in the line, blanks and type included."""
    if not one.base or not other.base or not _same_direction(one, other, rules, known):
        return False
    if one.type and other.type and one.type != other.type:
        return False
    if one.base == other.base:
        return True
    if _are_two_streets(one.base, other.base, rules, known):
        return False
    if _same_directional(one.base, other.base, rules) or _same_line(
        one.base, other.base, rules, same_birth=same_birth
    ):
        return True
    if one.type == other.type:
        return False
    typed, bare = (one, other) if one.type else (other, one)
    return any(
        _is_written_type(typed, word, bare.base, rules, same_birth)
        for word in rules.type_spellings[typed.type]
    )


def _equal_if_given(one: str, other: str) -> bool:
    return not one or not other or one == other


def _are_two_streets(one: str, other: str, rules: Rules, known: KnownStreets) -> bool:
    """Both stand in the register in this ZIP code. One that is much rarer than the other is a wrong
    spelling."""
    fewer, more = sorted((known.get(one, 0), known.get(other, 0)))
    return fewer > 0 and fewer * rules.misspelt_street_ratio > more


def _same_directional(one: str, other: str, rules: Rules) -> bool:
    """North Ave is N Ave."""
    direction = rules.directionals.get(one)
    return direction is not None and direction == rules.directionals.get(other)


def _same_direction(one: Street, other: Street, rules: Rules, known: KnownStreets) -> bool:
    """N Main St is Main St N; but on a grid E 1700 S is not S 1700 E. One of two directions may be missing if
    the register knows no street of another one."""
    directions, others = _directions(one), _directions(other)
    if directions == others:
        return True
    if not directions or not others:
        # S North Carolina Ave is not North Carolina Ave.
        own = one.base.split(" ", 1)[0] if one.base in rules.postal.directed_states else ""
        return not own or (one.direction or other.direction) in ("", own)
    full = _fuller_grid(one, other)
    return full is not None and known.get(_gridded(full[0]), 0) > 0 and not any(map(known.get, full[1]))


def _directions(street: Street) -> tuple[str, ...]:
    return tuple([each for each in (street.direction, street.post_direction) if each])


def _gridded(street: Street) -> str:
    return f"{street.direction}|{street.base}|{street.post_direction}"


def _fuller_grid(one: Street, other: Street) -> tuple[Street, tuple[str, ...]] | None:
    """-> (the street with two directions, the names of the streets with another direction in the place of the
    one that the other lacks). None unless exactly one is missing: E 1700 S (Publication 28, Appendix D2)."""
    if one.base != other.base:
        return None
    for full, part in ((one, other), (other, one)):
        if not (full.direction and full.post_direction):
            continue
        if part.direction == full.direction and not part.post_direction:
            return full, tuple(
                _gridded(Street(full.direction, full.base, "", each))
                for each in "NSEW"
                if each != full.post_direction
            )
        if part.post_direction == full.post_direction and not part.direction:
            return full, tuple(
                _gridded(Street(each, full.base, "", full.post_direction))
                for each in "NSEW"
                if each != full.direction
            )
    return None


def _is_written_type(street: Street, word: str, line: str, rules: Rules, same_birth: bool) -> bool:
    """Whether the line is the street's base and this word for its type, with one slip: Oakstreet, Oak Steret.
    Broadway is not Broad Way."""
    expected, written = different_words([*street.base.split(), word], line.split())
    joined = "".join(expected)
    glued = joined == "".join(written) and len(word) > 3 and joined.isalpha()
    if expected != [word]:
        return glued or is_slip(expected, written, rules, *_street_lists(rules), same_birth=same_birth)
    # In the place of the type only another type is another street. Crt may be Court as well as Crest.
    slip = is_slip(expected, written, rules, rules.street_types, same_birth=same_birth)
    return glued or (slip and (same_birth or not _may_be_another_type(" ".join(written), street.type, rules)))


def _may_be_another_type(text: str, type_: str, rules: Rules) -> bool:
    types = rules.street_types.items()
    return any(
        standard != type_ and OSA.distance(text, spelling, score_cutoff=1) <= 1
        for spelling, standard in types
    )


def _same_line(one: str, other: str, rules: Rules, *, same_birth: bool) -> bool:
    """Equal except for a blank (Mc Donald, McDonald; but 1 23 is not 12 3) or a slip in the words that
    differ."""
    words, others = different_words(one.split(), other.split())
    joined = "".join(words)
    if joined == "".join(others):
        return joined.isalpha()
    return is_slip(words, others, rules, *_street_lists(rules), same_birth=same_birth)


def _street_lists(rules: Rules) -> tuple[Container[str], ...]:
    return rules.street_words, rules.surnames, rules.first_names, rules.street_types, rules.base_words
