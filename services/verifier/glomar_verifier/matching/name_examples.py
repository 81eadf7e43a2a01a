"""Compares the examples in names.toml by the rules that they belong to, when the rules are loaded. Pure."""

from glomar_schemas.errors import Malformed

from glomar_verifier.matching.match import name_gates
from glomar_verifier.matching.names import NormalName, normal_name
from glomar_verifier.matching.rule_files import Examples, fault_at
from glomar_verifier.matching.rules import Rules

FILE = "names.toml"


def require_examples(raw: bytes, examples: Examples, rules: Rules) -> None:
    """raw: the file. Raises Misconfigured, with the line, for the first example that the rules decide
    wrongly."""
    for kind, pairs in (("same", examples.same), ("other", examples.other)):
        for place, pair in enumerate(pairs):
            one, other = (_name(side, rules) for side in pair.split(" = "))
            if (one is None or other is None) or _is_same(one, other, rules) != (kind == "same"):
                raise fault_at(raw, FILE, ("examples", kind, place), "the rules decide otherwise")


def _name(side: str, rules: Rules) -> NormalName | None:
    columns = [column.strip() for column in side.split("|")]
    if len(columns) != 4:
        return None
    try:
        first, middle, last, suffix = columns
        return normal_name(first, middle, last, suffix, rules)
    except Malformed:
        return None


def _is_same(one: NormalName, other: NormalName, rules: Rules) -> bool:
    """In both directions, without a birth date."""
    return not any(name_gates(one, other, rules, same_birth=False)) and not any(
        name_gates(other, one, rules, same_birth=False)
    )
