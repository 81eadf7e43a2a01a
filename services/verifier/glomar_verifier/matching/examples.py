"""Runs the examples of the rule files, so that an edit which breaks a rule is refused at the start. Pure."""

from collections.abc import Mapping

from glomar_schemas.errors import Malformed

from glomar_verifier.matching.match import name_gates
from glomar_verifier.matching.names import NormalName, normal_name
from glomar_verifier.matching.rule_files import Names, fault_at, read
from glomar_verifier.matching.rules import Rules

FILE = "names.toml"


def require_examples(files: Mapping[str, bytes], rules: Rules) -> None:
    """Raises Misconfigured, with the line, for the first example of names that the rules decide wrongly."""
    examples = read(files[FILE], FILE, Names).examples
    for kind, pairs in (("same", examples.same), ("other", examples.other)):
        for place, pair in enumerate(pairs):
            one, other = (_name(side, rules) for side in pair.split(" = "))
            if (one is None or other is None) or _is_same(one, other, rules) != (kind == "same"):
                raise fault_at(files[FILE], FILE, ("examples", kind, place), "the rules decide otherwise")


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
