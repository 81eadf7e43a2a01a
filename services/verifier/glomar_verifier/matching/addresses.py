"""The normal form of an address, the same for the register and for a request. Pure."""

import re
from typing import Literal

import msgspec
from glomar_schemas.errors import Malformed

from glomar_verifier.matching.boxes import box_in_street, read_po_box, split_box_after_street
from glomar_verifier.matching.postal_rules import read_state
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.street_lines import (
    Street,
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
        """The units for a keyed hash: APT4B and #4B are one."""
        return ",".join([unit.removeprefix(GENERIC).removeprefix(UNKNOWN) for unit in self.units])


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
    code = read_state(fold(state, "state"), rules.postal)
    zip5 = normal_zip(zip_code, form, code, rules)
    place = _state_of(zip5, code, form, rules)
    house = _house_number(fold(number_sign_as_word(number), "street_number"), zip5, place, rules)
    words = fold(number_sign_as_word(street), "street_name")
    box = read_po_box(fold(number_sign_as_word(po_box), "po_box"), place, rules)
    unit_words = fold(number_sign_as_word(unit), "unit")
    if words and not house:
        words, house, box = _without_house_number(words, box, place, rules)
    elif words:
        words, found = split_box_after_street(words)
        box = box if not found or box == found else f"{box} OR {found}" if box else found
    area = read_urbanization(fold(urbanization, "urbanization"), rules)
    if place == "PR" and unit_words:
        unit_words, area_in_unit = split_urbanization_from_unit(unit_words, rules)
        area = area or area_in_unit
    line = read_street_line(words, place, rules)
    units = read_units(unit_words, rules)
    return NormalAddress(
        number=house,
        po_box=box,
        units=tuple(sorted({*units, *line.units})) if line.units else units,
        street=line.street,
        city=fold(city, "city"),
        state=code,
        zip5=zip5,
        urbanization=area or line.urbanization,
    )


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


def _house_number(words: str, zip5: str, state: str, rules: Rules) -> str:
    """12 A -> 12A, N6 W23001 -> N6W23001, ONE -> 1, KM 1.7 -> KM1 7."""
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


def _without_house_number(words: str, box: str, state: str, rules: Rules) -> tuple[str, str, str]:
    """-> (street line, house number, PO box) of a street line without a house number."""
    found, rest = box_in_street(words, box, state, rules)
    if found and (not box or box == found or found.endswith(f" {box}")):
        return rest, "", found
    kilometre = _KILOMETRE.match(words)
    if kilometre and kilometre[1]:
        return kilometre[1], joined(kilometre[2].replace(" HM ", " ").split()), box
    return words, "", box
