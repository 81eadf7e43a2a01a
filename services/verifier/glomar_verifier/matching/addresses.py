"""The normal form of an address, the same for the register and for a request. Pure."""

import re
from functools import lru_cache
from typing import Literal

import msgspec
from glomar_schemas.errors import Malformed

from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.text import fold

AddressForm = Literal["us", "au"]
ZIP_PATTERNS: dict[AddressForm, re.Pattern[str]] = {
    "us": re.compile(r"([0-9]{5})(?: ?[0-9]{4})?\Z"),
    "au": re.compile(r"([0-9]{4})\Z"),
}
_NOT_BETWEEN_DIGITS = re.compile(r"(?<![0-9]) | (?![0-9])")
_PO_BOX = re.compile(r"(?:(?:P ?O|POST OFFICE)(?: |(?=BOX )))?(?:BOX )?([0-9A-Z]+)\Z")
_PO_BOX_STREET = re.compile(r"(?:P ?O|POST OFFICE) BOX ([0-9A-Z]+)\Z")
_ORDINAL_NUMBER = re.compile(r"([0-9]+)(?:ST|ND|RD|TH)\Z")


class Street(msgspec.Struct, frozen=True, array_like=True):
    """USPS Publication 28 section 232: N | MAIN | ST | (blank). `base` is words with a space between."""

    direction: str = ""
    base: str = ""
    type: str = ""
    post_direction: str = ""


class NormalAddress(msgspec.Struct, frozen=True, array_like=True):
    """Blank means not given. `zip5` has five digits in the form "us", four in "au"."""

    number: str
    po_box: str
    unit: str
    street: Street
    city: str
    state: str
    zip5: str


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
    form: AddressForm = "us",
) -> NormalAddress:
    """Raises Malformed (see `fold`; also for a text that is not a ZIP code). A PO box or a unit in the street
    line is found there. A ZIP+4 is cut to five digits."""
    words = fold(_number_sign_as_word(street), "street_name")
    box = fold(po_box, "po_box")
    in_street = _PO_BOX_STREET.match(words)
    if in_street and not box:
        words, box = "", in_street[1]
    found = _PO_BOX.match(box)
    street_parts, unit_in_street = _street_line(words, rules)
    return NormalAddress(
        number=_joined(fold(number, "street_number").split()),
        po_box=found[1] if found else box,
        unit=_normal_unit(fold(_number_sign_as_word(unit), "unit").split(), rules) or unit_in_street,
        street=street_parts,
        city=fold(city, "city"),
        state=fold(state, "state"),
        zip5=normal_zip(zip_code, form),
    )


@lru_cache(maxsize=32_768)
def _street_line(words: str, rules: Rules) -> tuple[Street, str]:
    """-> (the street, the unit after it). Cached, since every town has a Main Street."""
    tokens, unit = _split_unit(words.split(), rules)
    return _normal_street(tokens, rules), unit


def _number_sign_as_word(text: str) -> str:
    """USPS Publication 28 section 213.3: # stands for an unknown designator."""
    return text.replace("#", " NUM ")


def normal_zip(text: str, form: AddressForm) -> str:
    """ "12345-6789" -> "12345". Raises Malformed for anything but a ZIP code of this form."""
    found = ZIP_PATTERNS[form].match(fold(text, "zip"))
    if found is None:
        raise Malformed("not a ZIP code of this agreement's form", where="zip")
    return found[1]


def _split_unit(tokens: list[str], rules: Rules) -> tuple[list[str], str]:
    """MAIN ST APT 4 -> (MAIN ST), 4. The designator must follow a name and precede an identifier."""
    for index in range(1, len(tokens) - 1):
        word, after = tokens[index], tokens[index + 1]
        if (word in rules.generic_units or word in rules.units) and (after[0].isdigit() or len(after) == 1):
            return tokens[:index], _normal_unit(tokens[index:], rules)
    return tokens, ""


def _normal_unit(tokens: list[str], rules: Rules) -> str:
    """APT 4 B -> 4B, FL 2 -> FL2: the distinguishing part, as one word."""
    return _joined([rules.units.get(word, word) for word in tokens if word not in rules.generic_units])


def _joined(tokens: list[str]) -> str:
    """12 A -> 12A; but 1 23 is not 12 3, so a space between two digits stays."""
    return _NOT_BETWEEN_DIGITS.sub("", " ".join(tokens))


def _normal_street(tokens: list[str], rules: Rules) -> Street:
    """Direction, type and post-direction are split off only if a base name is left: "North St" is a base."""
    direction = type_ = post_direction = ""
    # Avenue N is a lettered avenue: a type with nothing before it is not a base name.
    lettered = len(tokens) == 2 and tokens[0] in rules.street_types
    if len(tokens) > 1 and not lettered and tokens[-1] in rules.directionals:
        post_direction = rules.directionals[tokens[-1]]
        tokens = tokens[:-1]
    if len(tokens) > 1 and tokens[-1] in rules.street_types:
        type_ = rules.street_types[tokens[-1]]
        tokens = tokens[:-1]
    if len(tokens) > 1 and tokens[0] in rules.directionals:
        direction = rules.directionals[tokens[0]]
        tokens = tokens[1:]
    base = " ".join(_base_word(word, rules) for word in _compound_ordinals(tokens, rules))
    return Street(direction=direction, base=base, type=type_, post_direction=post_direction)


def _compound_ordinals(tokens: list[str], rules: Rules) -> list[str]:
    """TWENTY FIRST -> 21."""
    words: list[str] = []
    for word in tokens:
        unit = rules.ordinals.get(word, "")
        if words and words[-1] in rules.tens and len(unit) == 1:
            words[-1] = rules.tens[words[-1]][0] + unit
        else:
            words.append(word)
    return words


def _base_word(word: str, rules: Rules) -> str:
    ordinal = _ORDINAL_NUMBER.match(word)
    if ordinal:
        return ordinal[1]
    return rules.ordinals.get(word) or rules.base_words.get(word, word)
