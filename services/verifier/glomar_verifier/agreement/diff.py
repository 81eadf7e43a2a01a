"""Differences between two versions of an agreement, entry by entry. Pure."""

from collections.abc import Iterator, Mapping

import msgspec
from glomar_schemas.agreement.model import Agreement
from msgspec import Struct

_ENTRIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "conditions": ("condition", ("id",)),
    "delegations": ("delegation", ("id",)),
    "officers": ("officer", ("id",)),
    "safeguards": ("safeguards", ("agency", "certificate")),
    "keys": ("key", ("party", "use", "public")),
}
"""Lists whose entries have a name: the word for one entry, and the fields that name it."""

LISTED = "listed"
"""The value of a name in a list."""


class Change(Struct, frozen=True):
    """A value that changed, or an entry that is new ("" before) or removed ("" after) with all its fields."""

    where: str
    before: str
    after: str


def changes(old: Agreement, new: Agreement) -> list[Change]:
    """Every difference in the order of the new file, then the removed entries."""
    before, after = dict(_values(old)), dict(_values(new))
    names = [*after, *(name for name in before if name not in after)]
    found = []
    for name in names:
        if name not in before or name not in after:
            found.append(Change(name, _whole(before.get(name)), _whole(after.get(name))))
        else:
            found += _within(name, before[name], after[name])
    return found


Values = Mapping[str, str]
"""Field -> its text. A single value has the one field ""."""


def _within(name: str, before: Values, after: Values) -> Iterator[Change]:
    for field in {**after, **before}:
        old, new = before.get(field, ""), after.get(field, "")
        if old != new:
            yield Change(f"{name}, {field}" if field else name, old, new)


def _whole(values: Values | None) -> str:
    if values is None:
        return ""
    lines = [f"{field}: {value}" if field else value for field, value in values.items() if value]
    return "\n".join(lines) or LISTED


def _values(agreement: Agreement) -> Iterator[tuple[str, Values]]:
    for table, value in msgspec.to_builtins(agreement).items():
        if table in _ENTRIES:
            kind, names = _ENTRIES[table]
            for entry in value:
                name = " ".join(entry[field][-24:] for field in names)
                fields = {field: value for field, value in entry.items() if field not in names}
                yield f"{kind} {name}", dict(_flat(fields, ""))
        else:
            yield from ((name, {"": text}) for name, text in _flat({table: value}, ""))


def _flat(tree: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}: ")
        elif isinstance(value, (list, tuple)) and value and all(isinstance(each, str) for each in value):
            # A list of names: which are new and which are removed; the order does not matter.
            yield from ((f"{prefix}{key}: {each}", LISTED) for each in value)
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return value.strip() if isinstance(value, str) else str(value)
