"""Compares the examples in pub28.toml by the rules that they belong to, when the rules are loaded. Pure."""

from collections.abc import Iterator, Sequence

from glomar_verifier.matching.addresses import NormalAddress, normal_address
from glomar_verifier.matching.places import same_delivery_point, same_units
from glomar_verifier.matching.postal_rules import AddressExample
from glomar_verifier.matching.rules import Rules

_FIELDS = 6
_ZIP = "77002"


def wrong_examples(examples: Sequence[AddressExample], rules: Rules) -> Iterator[str]:
    """What is wrong with each example that does not hold."""
    for example in examples:
        first = _read(example.same[0], rules)
        for text in (*example.same, *example.other):
            if _are_one(first, _read(text, rules), rules) != (text in example.same):
                verdict = "another address" if text in example.same else "the same address"
                yield f"{example.rule}: {text} is {verdict}"


def _read(text: str, rules: Rules) -> NormalAddress:
    parts = [part.strip() for part in text.split("|")]
    number, street, unit, po_box, area, zip_code = (*parts, *[""] * (_FIELDS - len(parts)))
    return normal_address(
        number=number,
        street=street,
        unit=unit,
        po_box=po_box,
        urbanization=area,
        zip_code=zip_code or _ZIP,
        city="",
        state="",
        rules=rules,
    )


def _are_one(one: NormalAddress, other: NormalAddress, rules: Rules) -> bool:
    return one.zip5 == other.zip5 and (
        same_delivery_point(one, other, rules, same_birth=False) and same_units(one, other, rules)
    )
