"""Generates docs/reference/settings.md from the settings Structs of the services."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from glomar_auditor.settings import AuditorSettings
from glomar_requester.settings import RequesterSettings
from glomar_runtime.settings import ENV_PREFIX, ServiceSettings
from glomar_verifier.settings import VerifierSettings
from msgspec import NODEFAULT
from msgspec.inspect import (
    CustomType,
    FloatType,
    IntType,
    Metadata,
    NoneType,
    StructType,
    UnionType,
    type_info,
)

HEAD = """\
# Settings

Each service reads one TOML file, named by `--config`. An environment variable overrides the file.
Paths in a file are relative to the file, paths in a variable to the current directory.
A setting without a default must be given.
Settings hold no secret: keys and tokens lie in files of their own, and settings name them.
Some commands need only a part of these settings; they read the same file.
"""

SECTIONS: tuple[tuple[str, type[ServiceSettings]], ...] = (
    ("Every service", ServiceSettings),
    ("Requester (`requester.toml`)", RequesterSettings),
    ("Verifier (`verifier.toml`)", VerifierSettings),
    ("Auditor (`auditor.toml`)", AuditorSettings),
)
COLUMNS = ("Key", "Type", "Default", "Environment variable", "What it does")


def settings_reference() -> bytes:
    common = {field.name for field in _fields(ServiceSettings)}
    parts = [HEAD]
    for title, kind in SECTIONS:
        rows = [_row(field) for field in _fields(kind) if kind is ServiceSettings or field.name not in common]
        parts.append(f"## {title}\n\n{_table(rows)}")
    return "\n".join(parts).encode()


def _fields(kind: type[ServiceSettings]) -> Iterable[msgspec.inspect.Field]:
    info = type_info(kind)
    assert isinstance(info, StructType)
    return info.fields


def _row(field: msgspec.inspect.Field) -> tuple[str, ...]:
    kind, description = _described(field.type)
    assert description, f"{field.name} has no description"
    return (f"`{field.name}`", kind, _default(field), f"`{ENV_PREFIX}{field.name.upper()}`", description)


def _default(field: msgspec.inspect.Field) -> str:
    if field.default is NODEFAULT:
        return "required"
    return "none" if field.default in (None, "") else f"`{field.default}`"


def _described(kind: Any) -> tuple[str, str]:
    """(the type in words, the description) of a field's type."""
    if isinstance(kind, Metadata):
        found = kind.extra_json_schema or {}
        words, inner = _described(kind.type)
        return words, str(found.get("description", inner))
    if isinstance(kind, UnionType):
        (only,) = (each for each in kind.types if not isinstance(each, NoneType))
        return _described(only)
    if isinstance(kind, CustomType):
        assert kind.cls is Path
        return "path", ""
    if isinstance(kind, IntType | FloatType):
        return "number" + _bounds(kind), ""
    return "text", ""


def _bounds(kind: IntType | FloatType) -> str:
    bounds = {"from": kind.ge, "above": kind.gt, "to": kind.le, "below": kind.lt}
    return "".join(f" {word} {bound}" for word, bound in bounds.items() if bound is not None)


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
