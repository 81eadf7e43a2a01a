"""The normal form of an address, the same for the register and for a request. Pure."""

import re
from functools import lru_cache
from typing import Literal

import msgspec
from glomar_schemas.errors import Malformed

from glomar_verifier.matching.boxes import box_in_street, read_po_box, split_box_after_street
from glomar_verifier.matching.postal_rules import read_state
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.street_lines import (
    Street,
    StreetLine,
    number_in_words,
    read_street_line,
    read_urbanization,
    split_urbanization_from_unit,
)
from glomar_verifier.matching.text import fold
from glomar_verifier.matching.units import GENERIC, UNKNOWN, joined, number_sign_as_word, read_units

AddressForm = Literal["us", "au"]
_AU_ZIP = re.compile(r"([0-9]{4})\Z")
_ZIP = re.compile(r"([0-9]{3,5})(?: ?([0-9]{4}))?\Z")
_KILOMETRE = re.compile(r"(?:(.*) )?(KM [0-9]+(?: [0-9]+| HM [0-9]+)*)\Z")
_HYPHENATED = re.compile(r"([0-9]{1,3}) ([0-9]{2})([A-Z]?)\Z")


class NormalAddress(msgspec.Struct, frozen=True, array_like=True):
    """Blank means not given. `units` as in `units.read_units`, `po_box` as in `boxes.read_po_box`. `zip5` has
    five digits in the form "us", four in "au"."""

    number: str
    po_box: str
    units: tuple[str, ...]
    street: Street
    city: str
    state: str
    zip5: str
    urbanization: str = ""

    @property
    def unit_key(self) -> str:
        """The units for a keyed hash: APT 4B and #4B are one."""
        return ",".join([unit.removeprefix(f"{GENERIC} ").removeprefix(UNKNOWN) for unit in self.units])


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
    urbanization: str = "",
    form: AddressForm = "us",
) -> NormalAddress:
    """Raises Malformed (see `fold`; also for a text that is not a ZIP code). A PO box, a unit or an
    urbanization in the street line is found there. A ZIP+4 is cut to five digits."""
    code, zip5, place = _read_place(state, zip_code, form, rules)
    house = number if number.isascii() and number.isdigit() else _house_number(number, zip5, place, rules)
    box = _read_box(po_box, place, rules) if po_box else ""
    if house:
        line, found = _read_street(street, place, rules)
        if found and found != box:
            box = f"{box} OR {found}" if box else found
    else:
        line, house, box = _read_street_without_number(street, box, place, rules)
    units, area = _read_unit(unit, place, rules) if unit else ((), "")
    if urbanization:
        area = read_urbanization(fold(urbanization, "urbanization"), rules)
    return NormalAddress(
        number=house,
        po_box=box,
        units=tuple(sorted({*units, *line.units})) if line.units and units else line.units or units,
        street=line.street,
        city=fold(city, "city"),
        state=code,
        zip5=zip5,
        urbanization=area or line.urbanization,
    )


# Cached: all houses of a town share them.
@lru_cache(maxsize=32_768)
def _read_place(state: str, zip_code: str, form: AddressForm, rules: Rules) -> tuple[str, str, str]:
    """-> (the state as given, the ZIP code, the state that the ZIP code says). Raises Malformed."""
    code = read_state(fold(state, "state"), rules.postal)
    zip5 = normal_zip(zip_code, form, code, rules)
    return code, zip5, _state_of(zip5, code, form, rules)


@lru_cache(maxsize=32_768)
def _read_street(street: str, state: str, rules: Rules) -> tuple[StreetLine, str]:
    """-> (the line's parts, the PO box after the street)."""
    words, box = split_box_after_street(fold(number_sign_as_word(street), "street_name"))
    return read_street_line(words, state, rules), box


@lru_cache(maxsize=32_768)
def _read_unit(unit: str, state: str, rules: Rules) -> tuple[tuple[str, ...], str]:
    """-> (the units, the urbanization that stands in the unit field)."""
    words, area = fold(number_sign_as_word(unit), "unit"), ""
    if state == "PR" and words:
        words, area = split_urbanization_from_unit(words, rules)
    return read_units(words, rules), area


def _read_box(po_box: str, state: str, rules: Rules) -> str:
    return read_po_box(fold(number_sign_as_word(po_box), "po_box"), state, rules)


def normal_zip(text: str, form: AddressForm, state: str, rules: Rules) -> str:
    """ "12345-6789" -> "12345". The leading zeros that a spreadsheet drops come back if the ZIP code then
    fits the state: 2134 in Massachusetts. Raises Malformed for anything but a ZIP code of this form."""
    folded = fold(text, "zip")
    if form == "us":
        found = _ZIP.match(folded)
        if found and len(found[1]) == 5:
            return found[1]
        if (found and not found[2]) or (found and " " in folded):
            zip5 = found[1].zfill(5)
            if state in states_of_zip(zip5, rules):
                return zip5
    elif found := _AU_ZIP.match(folded):
        return found[1]
    raise Malformed("not a ZIP code of this agreement's form", where="zip")


def states_of_zip(zip5: str, rules: Rules) -> frozenset[str]:
    """Where USPS delivers this ZIP code: three-digit prefixes, and exceptions by whole code."""
    return rules.states_by_zip.get(zip5) or rules.states_by_prefix.get(zip5[:3], frozenset())


def _state_of(zip5: str, given: str, form: AddressForm, rules: Rules) -> str:
    """The ZIP code's state; where it lies in several or in none, the given one."""
    states = states_of_zip(zip5, rules) if form == "us" else frozenset[str]()
    return next(iter(states)) if len(states) == 1 else given


def _house_number(text: str, zip5: str, state: str, rules: Rules) -> str:
    """12 A -> 12A, N6 W23001 -> N6W23001, ONE -> 1, KM 1.7 -> KM1 7."""
    words = fold(number_sign_as_word(text), "street_number")
    if not words or words.isdigit():
        return words
    tokens = words.split()
    prefixes = rules.postal.number_prefixes if state == "PR" else rules.postal.unit_signs
    if len(tokens) > 1:
        tokens = [token for token in tokens if token not in prefixes] or tokens
    if rules.postal.numbers.keys() >= set(tokens):
        return str(number_in_words(tokens, rules))
    text = joined([word for word in tokens if word != "HM" or tokens[0] != "KM"])
    hyphenated = _HYPHENATED.match(text)
    if hyphenated and not rules.postal.hyphenated_zips.isdisjoint((zip5, zip5[:3])):
        return "".join(hyphenated.groups())
    return text


def _read_street_without_number(
    street: str, box: str, state: str, rules: Rules
) -> tuple[StreetLine, str, str]:
    """-> (the line's parts, house number, PO box): a street line without a house number may hold a box or a
    kilometre."""
    words, number = fold(number_sign_as_word(street), "street_name"), ""
    found, rest = box_in_street(words, box, state, rules) if words else ("", "")
    kilometre = _KILOMETRE.match(words)
    if found and (not box or box == found or found.endswith(f" {box}")):
        words, box = rest, found
    elif kilometre and kilometre[1]:
        words, number = kilometre[1], joined(kilometre[2].replace(" HM ", " ").split())
    return read_street_line(words, state, rules), number, box
