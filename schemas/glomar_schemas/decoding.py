"""The strict decoder of all JSON from outside.

msgspec alone accepts duplicate keys (the last one wins), a missing tag, base64 with stray bits, times with a
space, and invisible characters. A signed protocol must refuse them, because two readers could otherwise read
two different messages.
"""

import json
import re
import unicodedata
from base64 import b64encode
from collections.abc import Hashable
from datetime import date, datetime
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from glomar_schemas.errors import Malformed
from glomar_schemas.subjects import FIRST_YEAR, LAST_YEAR, MAX_MESSAGE_BYTES

T = TypeVar("T")

_ODD_CLASSES = frozenset({"Cc", "Cf", "Cs"})
_DUPLICATE = "duplicate key"
_UNKNOWN_FIELD = "Object contains unknown field"

_ONE_SPELLING = frozenset({str, int, bool, type(None)})
"""Types with one accepted spelling. Most fields have one of them, so they are tested first."""

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
"""RFC 3339 in one spelling. More than six digits of a second would be rounded."""


def decode(raw: bytes, kind: type[T], *, what: str, max_bytes: int = MAX_MESSAGE_BYTES) -> T:
    """raw UTF-8 JSON -> one `kind`; `what` names the thing in errors.

    Raises Malformed for size, bad UTF-8, bad JSON, duplicate keys, unknown fields, a missing `type`, wrong
    types, base64 that is not canonical, times without an offset or in another spelling, years out of range,
    and characters of the Unicode classes Cc, Cf and Cs. The error never quotes the input.
    """
    if len(raw) > max_bytes:
        raise Malformed(f"larger than {max_bytes} bytes", where=what)
    try:
        if (quickly := _as_we_write_it(raw, kind)) is not None:
            return quickly
        tree = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if not _is_plain(raw):
            _refuse_odd_characters(tree)
        value = _decoder(cast(Hashable, kind)).decode(raw)
        _refuse_loose_spelling(value, tree, "$")
        return cast(T, value)
    except msgspec.ValidationError as error:
        raise Malformed(_without_values(str(error)), where=what) from None
    except Malformed as error:
        raise Malformed(error.what, where=what) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        raise Malformed("not valid JSON in UTF-8", where=what) from None


ZERO_WIDTH = dict.fromkeys(map(ord, "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
"""For `str.translate`: marks without a width (Unicode 23.2, 23.8): space, joiners, soft hyphen, byte order
mark, directions. A name is the same without them."""


def is_odd(text: str) -> bool:
    """True if text contains a control, format or surrogate character (Unicode classes Cc, Cf, Cs)."""
    if text.isascii():
        return not text.isprintable()
    return any(unicodedata.category(character) in _ODD_CLASSES for character in text)


def _as_we_write_it(raw: bytes, kind: type[T]) -> T | None:
    """The fast path: the value if our encoder writes exactly the bytes of `raw`, else None.

    Such bytes contain no duplicate key, no unknown field and no other spelling, so most messages are read
    only once. None means nothing: the slow path decides.
    """
    if not _is_plain(raw):
        return None
    try:
        value = _decoder(cast(Hashable, kind)).decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    if not isinstance(value, msgspec.Struct) or msgspec.json.encode(value) != raw:
        return None
    for name in value.__struct_fields__:
        if isinstance(found := getattr(value, name), date):
            _refuse_year(found, f"$.{name}")
    return cast(T, value)


def _is_plain(raw: bytes) -> bool:
    """True if no text can contain an odd character: ASCII without escapes; JSON refuses bare controls."""
    return raw.isascii() and b"\\" not in raw and b"\x7f" not in raw


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


def _refuse_loose_spelling(value: object, tree: Any, place: str) -> None:
    """Refuses values that msgspec reads from another spelling. tree: the JSON that `value` was read from."""
    match value:
        case bytes():
            if b64encode(value).decode() != tree:
                raise Malformed(f"base64 that is not canonical at `{place}`")
        case datetime():
            if not _MOMENT.match(tree):
                raise Malformed(f"not an RFC 3339 time at `{place}`")
            _refuse_year(value, place)
        case date():
            _refuse_year(value, place)
        case tuple():
            for index, (item, branch) in enumerate(zip(value, tree, strict=True)):
                _refuse_loose_spelling(item, branch, f"{place}[{index}]")
        case msgspec.Struct():
            _refuse_loose_fields(value, tree, place)


def _refuse_loose_fields(struct: msgspec.Struct, tree: dict[str, Any], place: str) -> None:
    tag_field = struct.__struct_config__.tag_field
    if tag_field is not None and tag_field not in tree:
        raise Malformed(f"Object missing required field `{tag_field}` at `{place}`")
    for attribute, name in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
        value = getattr(struct, attribute)
        if type(value) not in _ONE_SPELLING and name in tree:
            _refuse_loose_spelling(value, tree[name], f"{place}.{name}")


def _refuse_year(value: date, place: str) -> None:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise Malformed(f"year not between {FIRST_YEAR} and {LAST_YEAR} at `{place}`")


def _without_values(message: str) -> str:
    """msgspec's error without text of the sender: it quotes a wrong enum value and an unknown field's name.

    That text can imitate msgspec's own " - at `$.place`". So a place counts only at the very end, and never
    after an unknown field, where msgspec may not have written one.
    """
    if message.startswith(_UNKNOWN_FIELD):
        return _UNKNOWN_FIELD
    quoting = re.match(r"Invalid (enum )?value\b", message)
    if quoting is None:
        return message.replace(" - at ", " at ")
    place = re.search(r" - at (`\$[A-Za-z0-9_.\[\]]*`)\Z", message)
    return f"{quoting[0]} at {place[1]}" if place else quoting[0]
