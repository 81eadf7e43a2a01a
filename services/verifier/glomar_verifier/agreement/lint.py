"""Every fault in an agreement's text, each with its line. Pure.

The services load an agreement with `parse_agreement`, which stops at the first fault; its author needs all.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec
from glomar_schemas.agreement.model import Agreement, parse_agreement
from glomar_schemas.errors import Malformed
from msgspec import Struct

from glomar_verifier.agreement.examples import outcome
from glomar_verifier.matching.rules import Rules
from glomar_verifier.policy import expressions
from glomar_verifier.policy.gate import Gate, time_zone, vocabulary
from glomar_verifier.readers.toml import (
    KeyPath,
    LineSpan,
    NotToml,
    TomlFault,
    dotted,
    line_of,
    line_spans,
    read_tree,
    type_faults,
)


class LintFinding(Struct, frozen=True, order=True):
    """What is wrong. line: of the file, from 1. where: dotted name of the value, "" for the whole file."""

    line: int
    where: str
    what: str


def lint(raw: bytes, rules: Rules) -> tuple[Agreement | None, list[LintFinding]]:
    """The agreement, if the text is one, and every finding in the order of the lines.

    Conditions and examples are checked only if all fields are valid, since they use the fields.
    """
    try:
        text, tree = read_tree(raw)
    except NotToml as fault:
        return None, [LintFinding(fault.line, "", fault.what)]
    # tomllib accepts \n and \r\n as line ends; a lone \r is none.
    positions = line_spans(text)
    faults = list(type_faults(tree, Agreement))
    agreement = None
    if not faults:
        agreement = msgspec.convert(tree, Agreement)
        faults = [*_of_lists(agreement), *_of_whole(agreement), *_of_redactions(agreement, positions)]
        faults += _of_conditions(agreement, rules, text, positions)
    if not faults:
        faults = list(_of_loading(raw))
    findings = {
        LintFinding(line_of(positions, place) + down, dotted(place), what) for place, what, down in faults
    }
    return agreement, sorted(findings)


def _of_lists(agreement: Agreement) -> Iterator[TomlFault]:
    """Names that are unknown or used twice."""
    for table in ("conditions", "officers", "delegations"):
        seen: Counter[str] = Counter()
        for number, entry in enumerate(getattr(agreement, table)):
            seen[entry.id] += 1
            if seen[entry.id] > 1:
                yield TomlFault((table, number, "id"), "the same id as another")
    for table in ("delegations", "safeguards"):
        for number, entry in enumerate(getattr(agreement, table)):
            if entry.agency not in agreement.requesters:
                yield TomlFault((table, number, "agency"), "not one of the requesters")
    for number, key in enumerate(agreement.keys):
        if key.party not in agreement.parties:
            yield TomlFault(("keys", number, "party"), "not one of the parties")
    allowed = agreement.allowed
    for ground in allowed.grounds.keys() - allowed.statutes.keys():
        yield TomlFault(("allowed", "grounds", ground), "no statute is listed for this ground")
    for ground in allowed.statutes.keys() - allowed.grounds.keys():
        yield TomlFault(("allowed", "statutes", ground), "not one of the grounds")
    for number, condition in enumerate(agreement.conditions):
        for field in ("name", "citation", "refusal"):
            if not getattr(condition, field).strip():
                yield TomlFault(("conditions", number, field), "blank")


def _of_whole(agreement: Agreement) -> Iterator[TomlFault]:
    if agreement.valid_until <= agreement.valid_from:
        yield TomlFault(("valid_until",), "not after valid_from")
    try:
        time_zone(agreement)
    except Malformed as fault:
        yield TomlFault(("time_zone",), fault.what)
    roles: list[tuple[KeyPath, str]] = [
        (("holder",), agreement.holder),
        (("oversight",), agreement.oversight),
    ]
    roles += [(("requesters", number), party) for number, party in enumerate(agreement.requesters)]
    for number, (place, party) in enumerate(roles):
        if party not in agreement.parties:
            yield TomlFault(place, f"there is no [parties.{party}] table")
        if party in (other for _, other in roles[:number]):
            yield TomlFault(place, "one party has two roles; the roles must be separate parties")


def _of_redactions(agreement: Agreement, positions: Mapping[KeyPath, LineSpan]) -> Iterator[TomlFault]:
    values = {dotted(place) for place, span in positions.items() if not span.is_table}
    for number, name in enumerate(agreement.redactions):
        if name not in values:
            yield TomlFault(
                ("redactions", number),
                "names no value of this file (for example parties.x.contact, handling[3])",
            )


def _of_loading(raw: bytes) -> Iterator[TomlFault]:
    """Any other reason for which the services would refuse to load it."""
    try:
        parse_agreement(raw, where="")
    except Malformed as fault:
        yield TomlFault(("conditions",), fault.what)


def _of_conditions(
    agreement: Agreement, rules: Rules, text: str, positions: Mapping[KeyPath, LineSpan]
) -> Iterator[TomlFault]:
    allowed, text_lines = vocabulary(rules), text.split("\n")
    compiles = True
    for number, condition in enumerate(agreement.conditions):
        place: KeyPath = ("conditions", number, "holds")
        # A text in triple quotes may begin in the line after the quotes.
        below = text_lines[line_of(positions, place) - 1].rstrip().endswith(("'''", '"""'))
        for fault in expressions.expression_faults(condition.holds, allowed):
            compiles = False
            what = ". ".join(filter(None, (fault.what, fault.fix)))
            yield TomlFault(place, what, below + fault.line - 1)
    if compiles:
        yield from _of_examples(agreement, rules)


def _of_examples(agreement: Agreement, rules: Rules) -> Iterator[TomlFault]:
    try:
        gate = Gate(agreement, rules)
        lawful = outcome(agreement, {}, gate)
    except Malformed as fault:
        if "time_zone" not in fault.where:
            yield TomlFault(("example",), str(fault))
        return
    if lawful:
        yield TomlFault(("example",), f"the example must be lawful, but fails {', '.join(lawful)}")
        return
    for number, condition in enumerate(agreement.conditions):
        for kind, expected in (("accepted", []), ("refused", [condition.id])):
            place: KeyPath = ("conditions", number, kind)
            changes = getattr(condition, kind)
            if not changes:
                yield TomlFault(place, f"{condition.id} has no {kind} example")
                continue
            try:
                failed = outcome(agreement, changes, gate)
            except Malformed as fault:
                yield TomlFault(place, str(fault))
                continue
            if failed != expected:
                expectation = f"refused by {condition.id} alone" if expected else "accepted"
                yield TomlFault(
                    place, f"this example must be {expectation}, but fails {', '.join(failed) or 'nothing'}"
                )
