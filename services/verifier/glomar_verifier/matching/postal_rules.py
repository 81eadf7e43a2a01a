"""The postal tables of Publication 28 as the address modules use them. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from glomar_verifier.matching.rule_files import Phrase, Spellings, Words, ZipStates


class UnitRules(Struct, frozen=True, forbid_unknown_fields=True):
    signs: Words
    signed: Words
    alone: Words


class BoxRules(Struct, frozen=True, forbid_unknown_fields=True):
    words: Words
    first: Words


class RouteRules(Struct, frozen=True, forbid_unknown_fields=True):
    boxes: Words
    military: Words
    states: Words


class UrbanizationRules(Struct, frozen=True, forbid_unknown_fields=True):
    dropped: Words
    streets: Words
    numbers: Words


class AddressExample(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses as `number | street | unit | PO box | urbanization | ZIP code`, blank at the end left out.
    All of `same` are one address; each of `other` is another one than the first of `same`."""

    rule: str
    same: Annotated[tuple[str, ...], Meta(min_length=2)]
    other: Annotated[tuple[str, ...], Meta(min_length=1)]


class Pub28(Struct, frozen=True, forbid_unknown_fields=True):
    directionals: Spellings
    suffixes: Spellings
    units: Spellings
    generic_units: Spellings
    unit_rules: UnitRules
    po_boxes: BoxRules
    routes: dict[str, tuple[Phrase, ...]]
    route_rules: RouteRules
    highway_words: Spellings
    highways: dict[Phrase, tuple[Phrase, ...]]
    qualifiers: Spellings
    urbanizations: UrbanizationRules
    urbanization_words: Spellings
    base_words: Spellings
    ordinals: Spellings
    numbers: Spellings
    examples: tuple[AddressExample, ...]


class PostalRules(Struct, frozen=True, eq=False):
    """`routes` holds, for each kind of route, the pattern of a line that begins with it and that of a line
    that begins with its box; the groups are named route, box and rest. `directed_states` are state names that
    begin with a direction, as N CAROLINA."""

    unit_kinds: Mapping[str, str]
    unit_signs: frozenset[str]
    signed_kinds: frozenset[str]
    kinds_alone: frozenset[str]
    box_words: frozenset[str]
    box_first: frozenset[str]
    routes: Mapping[str, tuple[re.Pattern[str], ...]]
    military_routes: frozenset[str]
    military_states: frozenset[str]
    highway_words: Mapping[str, str]
    highways: Mapping[str, str]
    qualifiers: Mapping[str, str]
    area_dropped: frozenset[str]
    area_words: Mapping[str, str]
    street_prefixes: frozenset[str]
    number_prefixes: frozenset[str]
    numbers: Mapping[str, int]
    state_codes: Mapping[str, str]
    directed_states: frozenset[str]
    hyphenated_zips: frozenset[str]


def spellings(table: Mapping[str, str]) -> dict[str, str]:
    """Spelling -> standard spelling, the standard itself included."""
    return {
        spelling: standard
        for standard, variants in table.items()
        for spelling in (standard, *variants.split())
    }


def postal_rules(pub28: Pub28, zips: ZipStates) -> PostalRules:
    """The tables in the form in which they are used."""
    rules, signs = pub28.unit_rules, pub28.unit_rules.signs.split()
    routes = {
        kind: _route_patterns(names, pub28.route_rules.boxes.split(), signs)
        for kind, names in pub28.routes.items()
    }
    directions = spellings(pub28.directionals)
    states = {name: code for code, names in zips.names.items() for name in names}
    return PostalRules(
        unit_kinds=spellings(pub28.units) | spellings(pub28.generic_units),
        unit_signs=frozenset(signs),
        signed_kinds=frozenset(rules.signed.split()),
        kinds_alone=frozenset(rules.alone.split()),
        box_words=frozenset(pub28.po_boxes.words.split()),
        box_first=frozenset(pub28.po_boxes.first.split()),
        routes=routes,
        military_routes=frozenset(pub28.route_rules.military.split()),
        military_states=frozenset(pub28.route_rules.states.split()),
        highway_words=spellings(pub28.highway_words),
        highways={
            name: standard for standard, others in pub28.highways.items() for name in (standard, *others)
        },
        qualifiers=spellings(pub28.qualifiers),
        area_dropped=frozenset(pub28.urbanizations.dropped.split()),
        area_words=spellings(pub28.urbanization_words),
        street_prefixes=frozenset(pub28.urbanizations.streets.split()),
        number_prefixes=frozenset((*pub28.urbanizations.numbers.split(), *signs)),
        numbers={word: int(number) for word, number in spellings(pub28.numbers).items() if word.isalpha()},
        state_codes=states,
        directed_states=frozenset(
            f"{directions[first]} {rest}"
            for first, _, rest in (name.partition(" ") for name in states)
            if first in directions
        ),
        hyphenated_zips=frozenset(zips.hyphens.queens.split()),
    )


def _route_patterns(
    names: Iterable[str], boxes: Iterable[str], signs: Iterable[str]
) -> tuple[re.Pattern[str], ...]:
    """RR 2 BOX 15, RR2 NUM 15, BOX 15 RR 2; the box may be missing. Leading zeros of the route are dropped
    (sections 242 and 252)."""
    either, sign = "|".join(sorted(names, key=len, reverse=True)), "|".join(signs)
    route = rf"(?:{either}) ?(?:(?:{sign}) ?)?0*(?P<route>[0-9]{{1,6}}[A-Z]?)"
    # 15, 15A, 15 A, 19-1, A12: a hyphen may belong to the number (section 243).
    number = r"(?P<box>[0-9]{1,6}[A-Z]{0,2}(?: [0-9]{1,4}[A-Z]?)?(?: [A-Z](?=\Z))?|[A-Z]{1,2} ?[0-9]{0,6})"
    box = rf"(?:(?:{'|'.join(boxes)}) ?(?:(?:{sign}) ?)?|(?:{sign}) ?){number}"
    return (
        re.compile(rf"{route}(?: {box})?(?P<rest> .*)?\Z"),
        re.compile(rf"{box} {route}(?P<rest> .*)?\Z"),
    )


def read_state(folded: str, postal: PostalRules) -> str:
    """A state's two letters for its name in full; any other text as it is."""
    return postal.state_codes.get(folded, folded)
