"""PO boxes, and the boxes of rural, highway contract and military routes (USPS Publication 28, sections 24,
25, 238 and 28). Pure.

The normal form of a PO box is its number; that of a box on a route names the route too: RR2 BOX 15.
"""

import re

from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.units import joined

ON_ROUTE = " BOX "
_GLUED = re.compile(r"([A-Z]+)([0-9]+[A-Z]?)\Z")
_AFTER_STREET = re.compile(
    r"(.+) (?:P ?O|POST OFFICE) ?(?:BOX|BX|DRAWER) (?:(?:NUM|NO) )?([0-9]{1,6}[A-Z]?)\Z"
)


def read_po_box(words: str, state: str, rules: Rules) -> str:
    """The PO box field in normal form; other text stays, as one word."""
    if not words:
        return ""
    route, box, _ = _route(words, state, rules)
    if route and box:
        return f"{route}{ON_ROUTE}{box}"
    return joined(_without_words(words, rules))


def box_in_street(words: str, po_box: str, state: str, rules: Rules) -> tuple[str, str]:
    """-> (the box, the rest of the street line), for a street line without a house number. A route without a
    box takes the number in the PO box field. Blank if there is no box in the street line."""
    route, box, rest = _route(words, state, rules)
    if route and not box and not rest and po_box[:1].isdigit():
        return f"{route}{ON_ROUTE}{po_box}", ""
    if route and box:
        return f"{route}{ON_ROUTE}{box}", rest
    first = words.split(" ", 1)[0]
    if _split_glued(first, rules)[0] in rules.postal.box_first:
        tokens = _without_words(words, rules)
        number = tokens[0]
        if len(tokens) == 1 and number != first and (len(number) == 1 or number[0].isdigit()):
            return number, ""
    return "", words


def split_box_after_street(words: str) -> tuple[str, str]:
    """ELM ST PO BOX 12 -> (ELM ST, 12): a dual address (section 215)."""
    found = _AFTER_STREET.match(words) if " BOX " in words or " BX " in words or " DRAWER " in words else None
    return (found[1], found[2]) if found else (words, "")


def _route(words: str, state: str, rules: Rules) -> tuple[str, str, str]:
    """-> (route, box, rest); blank if the words are no route."""
    postal = rules.postal
    for kind, patterns in postal.routes.items():
        if kind in postal.military_routes and state not in postal.military_states:
            continue
        for pattern in patterns:
            found = pattern.match(words)
            if found:
                box = joined((found["box"] or "").split())
                return kind + found["route"], box, (found["rest"] or "").strip()
    return "", "", ""


def _without_words(words: str, rules: Rules) -> list[str]:
    """PO BOX NO 12 -> 12. The last word stays, since boxes are also called O and P."""
    first, *rest = words.split()
    tokens = [*_split_glued(first, rules), *rest]
    while len(tokens) > 1 and tokens[0] in rules.postal.box_words:
        tokens = tokens[1:]
    return tokens


def _split_glued(word: str, rules: Rules) -> tuple[str, ...]:
    """POB12 -> POB 12."""
    parts = _GLUED.match(word)
    if parts and len(parts[1]) > 1 and parts[1] in rules.postal.box_words:
        return parts.group(1, 2)
    return (word,)
