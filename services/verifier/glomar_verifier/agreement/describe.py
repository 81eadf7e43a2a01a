"""An agreement in words, for the lawyer who is to sign it. Pure.

Plain text of at most WIDTH columns; `--json` prints the same as values.
"""

import difflib
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from glomar_schemas.agreement.model import Agreement, Condition
from msgspec import Struct

from glomar_verifier.agreement.diff import LISTED, Change
from glomar_verifier.agreement.signers import SignatureStatus

WIDTH = 100
_LABEL = 22


class ExampleResult(Struct, frozen=True):
    """One example of a condition. differs: from the lawful example. failed: ids of conditions."""

    condition: str
    kind: str
    differs: tuple[str, ...]
    failed: tuple[str, ...]


def differences(agreement: Agreement, changes: Mapping[str, object]) -> tuple[str, ...]:
    """In words: `final order date 2025-03-05 instead of 2025-02-10`."""
    example = agreement.example
    known: dict[str, object] = {"now": example.now} if example else {}
    for table in ("request", "particulars", "facts"):
        known |= {f"{table}.{key}": value for key, value in _leaves(getattr(example, table, {}))}
    found = []
    for field, value in changes.items():
        name = field.partition(".")[2].replace("_", " ").replace(".", " ") or "moment of the decision"
        before = f" instead of {_value(known[field])}" if known.get(field, value) != value else ""
        found.append(f"{name} {_value(value)}{before}")
    return tuple(found)


def describe(
    agreement: Agreement, digest: str, signatures: Sequence[SignatureStatus], results: Sequence[ExampleResult]
) -> str:
    """The whole agreement, without findings and changes."""
    parts = (
        _head(agreement, digest),
        _signatures(signatures),
        _allowed(agreement),
        _limits(agreement),
        _who(agreement),
        _conditions(agreement.conditions, results),
    )
    return "\n".join(line for part in parts for line in (*part, ""))


def describe_changes(changes: Sequence[Change], since: str) -> str:
    lines = [f"WHAT CHANGED SINCE {since}"]
    for change in changes:
        if not change.before or not change.after:
            label, text = ("new", change.after) if change.after else ("gone", change.before)
            is_long = "\n" in text
            lines += _item(label, change.where if is_long or text == LISTED else f"{change.where}: {text}", 6)
            lines += [f"          {line}" for line in text.splitlines() if is_long]
        elif "\n" in change.before + change.after:
            lines += _item("now", f"{change.where}:", 6)
            compared = difflib.ndiff(change.before.splitlines(), change.after.splitlines())
            lines += [f"        {line}" for line in compared if not line.startswith("?")]
        else:
            lines += _item("now", f"{change.where}: {change.after} (was {change.before})", 6)
    return "\n".join([*lines, "" if changes else "  nothing"])


def _head(agreement: Agreement, digest: str) -> Iterator[str]:
    yield from textwrap.wrap(agreement.title, WIDTH)
    yield from _item("agreement", f"{agreement.id}, version {agreement.version}")
    yield from _item("authority", agreement.authority)
    days = f"{_moment(agreement.valid_from, agreement)} until {_moment(agreement.valid_until, agreement)}"
    yield from _item("in force", f"from {days}, {agreement.time_zone} time")
    yield from _item("SHA-256", digest)
    roles = {"record holder": (agreement.holder,), "requester": agreement.requesters}
    for role, parties in (roles | {"oversight": (agreement.oversight,)}).items():
        for party in parties:
            known = agreement.parties[party]
            yield from _item(role, f"{known.name} ({party}); incidents to {known.contact}")


def _signatures(signatures: Sequence[SignatureStatus]) -> Iterator[str]:
    yield "WHO SIGNED"
    if not any(each.key for each in signatures):
        yield "  nobody"
        return
    for each in signatures:
        who = f"{each.party}, {each.office}" if each.party else "somebody"
        yield from _item(who, f"{each.state}{f' (key {each.key})' if each.key else ''}", 44)


def _allowed(agreement: Agreement) -> Iterator[str]:
    allowed = agreement.allowed
    yield "WHAT MAY BE ASKED, AND WHAT FOR"
    for ground, text in allowed.grounds.items():
        yield from _item("ground", f"{ground}: {text}")
        yield from _item("  under", _listed(allowed.statutes.get(ground, ())))
    for use, text in allowed.intended_uses.items():
        yield from _item("use", f"{use}: {text}")
    yield from _item("tax years", f"from {allowed.earliest_tax_year} on")
    if allowed.removal_classes:
        yield from _item("removal classes", _listed(allowed.removal_classes))
    yield from _item("jurisdictions", f"{len(allowed.jurisdictions)}: {', '.join(allowed.jurisdictions)}")
    yield ""
    yield "HOW AN ANSWER MUST BE HANDLED"
    for number, rule in enumerate(agreement.handling, start=1):
        yield from _item(f"{number}.", rule, 4)


def _limits(agreement: Agreement) -> Iterator[str]:
    yield "HOW OFTEN, AND FOR HOW LONG"
    for table in (agreement.limits, agreement.retention):
        for name in table.__struct_fields__:
            if (value := getattr(table, name)) is not None:
                yield from _item(name.replace("_", " "), _value(value), 34)
    if agreement.limits.addresses_per_person is None:
        # No condition can state this limit: only the lookup shows which person a name stands for.
        text = "NO LIMIT: a requester may try one address after another until one is confirmed"
        yield from _item("addresses per person", text, 34)


def _who(agreement: Agreement) -> Iterator[str]:
    yield "WHO MAY ASK"
    for grant in agreement.delegations:
        days = f"{grant.valid_from} to {grant.valid_until}, that day included"
        yield from _item("delegation", f"{grant.id}: {grant.office} of {grant.agency}, {days}")
    for each in agreement.safeguards:
        notices = ", ".join(each.analysis_notifications) or "none"
        text = f"{each.certificate} of {each.agency}, to {each.valid_until}; AI notices on file: {notices}"
        yield from _item("safeguards", text)
    units = Counter(officer.unit or "no unit" for officer in agreement.officers)
    yield from _item("officers", "; ".join(f"{count} of {unit}" for unit, count in units.items()))


def _conditions(conditions: Iterable[Condition], results: Sequence[ExampleResult]) -> Iterator[str]:
    yield "THE CONDITIONS, all of which must hold"
    for condition in conditions:
        yield ""
        yield f"{condition.id:4} {condition.name}   [{condition.citation}]"
        yield from (f"      {line}" for line in condition.holds.strip().splitlines())
        yield from _item("else it says", condition.refusal)
        for example in results:
            if example.condition == condition.id:
                yield from _item(f"{example.kind} example", _result(example))


def _result(example: ExampleResult) -> str:
    differs = "; ".join(example.differs) or "as the lawful example"
    return f"{differs}: {'refused by ' + ', '.join(example.failed) if example.failed else 'accepted'}"


def _item(label: str, text: str, width: int = _LABEL) -> list[str]:
    """A label and a text beside it, wrapped."""
    head = f"  {label:{width}}"
    lines = textwrap.wrap(text, WIDTH - width - 2, break_long_words=False, break_on_hyphens=False) or [""]
    if len(head) > width + 2:
        return [head, *(f"  {'':{width}}{line}" for line in lines)]
    return [head + lines[0], *(f"  {'':{width}}{line}" for line in lines[1:])]


def _listed(names: Iterable[str]) -> str:
    """Keeps each name on one line: textwrap does not break at no-break spaces."""
    return "; ".join(name.replace(" ", "\N{NO-BREAK SPACE}") for name in names)


def _leaves(tree: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", leaf) for inner, leaf in _leaves(value))
        else:
            yield key, value


def _value(value: object) -> str:
    match value:
        case "" | []:
            return "not given"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if value > 9999 else str(value)
        case list():
            return ", ".join(map(str, value))
        case datetime():
            return value.isoformat(" ")
    return str(value)


def _moment(moment: datetime, agreement: Agreement) -> str:
    return f"{moment.astimezone(ZoneInfo(agreement.time_zone)):%d %B %Y %H:%M}".lstrip("0")
