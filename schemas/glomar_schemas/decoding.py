"""The one strict decoder of JSON from outside. Called by the envelope and by whoever reads a plain message.

msgspec alone takes the last of duplicate keys, unknown-length input and invisible characters in silence;
a signed protocol may not, since two readers could then see two different messages.
"""

import json
import re
import unicodedata
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from glomar_schemas.errors import Malformed
from glomar_schemas.subjects import MAX_MESSAGE_BYTES

T = TypeVar("T")

_PLAIN_ASCII = re.compile(rb"[\x20-\x5b\x5d-\x7e]*\Z")
"""Printable ASCII without a backslash: no escape can hide a character, so no string needs a second look."""

_ODD_CLASSES = frozenset({"Cc", "Cf", "Cs"})
_DUPLICATE = "duplicate key"


def decode(raw: bytes, kind: type[T], *, what: str, max_bytes: int = MAX_MESSAGE_BYTES) -> T:
    """raw UTF-8 JSON -> one `kind`; `what` names the thing in errors.

    Raises Malformed on size, bad UTF-8, bad JSON, duplicate keys, unknown fields, wrong types, naive
    datetimes, and characters of the classes Cc, Cf and Cs. The error never quotes the input.
    """
    if len(raw) > max_bytes:
        raise Malformed(f"larger than {max_bytes} bytes", where=what)
    try:
        tree = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if not _PLAIN_ASCII.match(raw):
            _refuse_odd_characters(tree)
        return cast(T, _decoder(cast(Hashable, kind)).decode(raw))
    except msgspec.ValidationError as error:
        raise Malformed(_without_values(str(error)), where=what) from None
    except Malformed as error:
        raise Malformed(error.what, where=what) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        raise Malformed("not valid JSON in UTF-8", where=what) from None


def is_odd(text: str) -> bool:
    """True if text holds a control, format or surrogate character (Unicode classes Cc, Cf, Cs)."""
    if text.isascii():
        return not text.isprintable()
    return any(unicodedata.category(character) in _ODD_CLASSES for character in text)


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=True)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(_DUPLICATE)
    return found


def _no_constant(_: str) -> None:
    raise Malformed("NaN and Infinity are not JSON")


def _refuse_odd_characters(tree: object) -> None:
    if isinstance(tree, str):
        if is_odd(tree):
            raise Malformed("control or invisible character in a text")
    elif isinstance(tree, dict):
        for key, value in tree.items():
            _refuse_odd_characters(key)
            _refuse_odd_characters(value)
    elif isinstance(tree, list):
        for value in tree:
            _refuse_odd_characters(value)


def _without_values(message: str) -> str:
    """msgspec quotes a wrong enum value or unknown field name; both were chosen by the sender."""
    fault, _, path = message.partition(" - at ")
    fault = re.sub(r"(value|field) ['`].*", r"\1", fault, flags=re.DOTALL)
    place = re.sub(r"[^$.\[\]A-Za-z0-9_ `]", "", path)[:80]
    return f"{fault[:120]} at {place}" if place else fault[:120]
