"""Is a name or an address real and complete enough (condition L2)? Never reads the register. Pure."""

import re
from functools import lru_cache

from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Subject
from msgspec.structs import replace

from glomar_verifier.matching.addresses import AddressForm, normal_address, normal_zip, states_of_zip
from glomar_verifier.matching.boxes import ON_ROUTE
from glomar_verifier.matching.names import one_name
from glomar_verifier.matching.postal_rules import read_state
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.text import fold

CACHED = 16_384
"""Cached results: names, streets and cities recur."""

_FIGURES = re.compile(r"[0-9]+")
_STATE_AND_ZIP = re.compile(r"[A-Z]{2} [0-9]{5}(?: ?[0-9]{4})?\Z")
_ONE_LETTER_REPEATED = re.compile(r"([A-Z])(?: ?\1){2,}\Z")
# Publication 28, Appendix D: 12, 12A, 12 1/2, 37-12 (Queens), N6W23001 (Wisconsin), 26W482 (Illinois), G1075
# (Michigan), AA17 and KM 1.7 (Puerto Rico). An identification number has more digits on end.
_HOUSE_NUMBER = re.compile(r"(?:KM|[A-Z]{0,2})[0-9]{1,6}(?:(?:[A-Z]{1,2}| )[0-9]{1,5}){0,2}[A-Z]{0,2}\Z")
_BOX_NUMBER = re.compile(r"(?:[0-9]{1,6}[A-Z]{0,2}|[A-Z]{1,2}[0-9]{0,6})\Z")
_ONLY_ZEROS = re.compile(r"[0 ]*\Z")


def as_conditions_see(particulars: Subject, rules: Rules) -> Subject:
    """A person with one name has it in both columns; two placeholders that are names too (None, Test) are no
    name; a birth date that stands for an unknown one is none."""
    first, last, born = particulars.first_name, particulars.last_name, particulars.date_of_birth
    if one := one_name(first, last, rules):
        particulars = replace(particulars, first_name=one, last_name=one)
    elif _is_placeholder(first, rules) and _is_placeholder(last, rules):
        particulars = replace(particulars, first_name="", last_name="")
    if born in rules.unknown_births:
        particulars = replace(particulars, date_of_birth=None)
    return particulars


def is_placeholder(text: str, rules: Rules) -> bool:
    """True for what people write in place of a name: nothing, no letter, a ZIP code alone, one letter three
    times, "Unknown", "Don't Care 12345", "General Delivery" … Not for a name that people bear: None, Test."""
    return _is_placeholder(text, rules) and not _is_name_too(_fold_or_blank(text), rules)


def _is_name_too(folded: str, rules: Rules) -> bool:
    return (
        folded in rules.placeholders_whole
        and folded not in rules.placeholders_never_names
        and (folded in rules.first_names or folded in rules.surnames)
    )


def _fold_or_blank(text: str) -> str:
    try:
        return fold(text, "text")
    except Malformed:
        return ""


@lru_cache(CACHED)
def _is_placeholder(text: str, rules: Rules) -> bool:
    """As `is_placeholder`, for a street, a city or a state.

    Also for text without a normal form (hidden characters, mixed scripts). Not for house numbers, which have
    no letters; `is_complete_address` checks those.
    """
    try:
        folded = fold(text, "text")
    except Malformed:
        return True
    phrase = " ".join(_FIGURES.sub(" ", folded).split())
    if not phrase or _STATE_AND_ZIP.match(folded) or _ONE_LETTER_REPEATED.match(phrase):
        return True
    if phrase in rules.placeholders_whole or folded in rules.unknown_names:
        return True
    padded = f" {phrase} "
    return any(map(padded.__contains__, rules.placeholders_within))


@lru_cache(CACHED)
def zip_fits_state(zip_code: str, state: str, rules: Rules) -> bool:
    """Whether USPS delivers this ZIP code (12345 or 12345-6789) in this state (two letters; also territories,
    AA, AE, AP). Source: USPS three-digit ZIP prefixes; exceptions by whole code are looked up first."""
    try:
        code = read_state(fold(state, "state"), rules.postal)
        zip5 = normal_zip(zip_code, "us", code, rules)
    except Malformed:
        return False
    return code in states_of_zip(zip5, rules)


def is_complete_address(
    street_number: str,
    street_name: str,
    po_box: str,
    city: str,
    state: str,
    zip_code: str,
    form: AddressForm,
    *,
    rules: Rules,
) -> bool:
    """House number and street, or PO box, or a box on a route; and city, state and ZIP code, each real. In
    the form "au" the postcode has four digits and is not compared with the state."""
    try:
        address = normal_address(
            number=street_number,
            street=street_name,
            unit="",
            po_box=po_box,
            city=city,
            state=state,
            zip_code=zip_code,
            rules=rules,
            form=form,
        )
    except Malformed:
        return False
    if not ((_is_real(city, rules) or _is_real_town(city, address.state, rules)) and _is_real(state, rules)):
        return False
    if form == "us" and not zip_fits_state(zip_code, state, rules):
        return False
    on_route, _, box = address.po_box.rpartition(ON_ROUTE)
    if address.number or (address.street.base and not on_route):
        # A PO box does not make up for a street that is not real.
        return _is_house_number(address.number, rules) and _is_real(street_name, rules)
    return _is_number(box, _BOX_NUMBER)


def _is_number(text: str, form: re.Pattern[str]) -> bool:
    return form.match(text) is not None and not _ONLY_ZEROS.match(text)


def _is_house_number(number: str, rules: Rules) -> bool:
    letters = "".join(_FIGURES.sub("", number).split())
    return _is_number(number, _HOUSE_NUMBER) and (not letters or _is_real(letters, rules))


def _is_real_town(city: str, state: str, rules: Rules) -> bool:
    """Street is a town in Maryland."""
    return fold(city, "city") in rules.towns_like_placeholders.get(state, ())


def _is_real(text: str, rules: Rules) -> bool:
    if _is_placeholder(text, rules):
        return False
    return fold(text, "text") not in rules.placeholders_in_address
