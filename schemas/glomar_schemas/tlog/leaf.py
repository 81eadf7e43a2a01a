"""A ledger entry: what the log records of one stream sequence, as canonical bytes (RFC 8785).

A message is a Leaf; a sequence that the stream lost before it was recorded is a Gap. Called by the auditor,
which seals and verifies, and by the requester, which rebuilds its verdict's leaf.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from glomar_schemas.errors import Malformed

MAX_LEAF_BYTES: Final = 0xFFFF
"""A tlog-tiles entry bundle stores each entry behind a uint16 length."""

MAX_SEQUENCE: Final = 2**53 - 1  # RFC 8785 numbers are IEEE 754 doubles: beyond this, readers may round
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]{9})Z\Z", re.ASCII)


class Leaf(msgspec.Struct, frozen=True):
    """One message: stream sequence (from 1), stream time (ns since 1970), subject, body SHA-256 (32 B)."""

    sequence: int
    time_ns: int
    subject: str
    body_sha256: bytes


class Gap(msgspec.Struct, frozen=True):
    """No message: the stream no longer held this sequence when its turn came. Nothing is released for it."""

    sequence: int


Entry = Leaf | Gap


class _Wire(msgspec.Struct, frozen=True, gc=False):
    """The JSON object; msgspec writes fields as declared, so this order is RFC 8785's key order."""

    body_sha256: str
    seq: int
    subject: str
    time: str


class _GapWire(msgspec.Struct, frozen=True, gc=False):
    gap: bool
    seq: int


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Wire)
_GAP_DECODER: Final = msgspec.json.Decoder(_GapWire)
_GAP_START: Final = b'{"gap":'


def encode(leaf: Entry) -> bytes:
    """`{"body_sha256":"<hex>","seq":N,"subject":"...","time":"YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ"}`, RFC 8785.

    A gap is `{"gap":true,"seq":N}`: it follows from the sequence alone, so a rebuild gives the same root.
    Raises Malformed for a value outside its range, a subject that is not Unicode text, or > 65,535 B.
    """
    if not 1 <= leaf.sequence <= MAX_SEQUENCE:
        raise Malformed("not between 1 and 2**53 - 1", where="leaf sequence")
    if isinstance(leaf, Gap):
        return _ENCODER.encode(_GapWire(True, leaf.sequence))
    if len(leaf.body_sha256) != 32:
        raise Malformed("not 32 bytes", where="leaf body_sha256")
    seconds, nanoseconds = divmod(leaf.time_ns, 1_000_000_000)
    time = f"{_format_second(seconds)}.{nanoseconds:09d}Z"
    try:
        encoded = _ENCODER.encode(_Wire(leaf.body_sha256.hex(), leaf.sequence, leaf.subject, time))
    except UnicodeEncodeError as error:
        raise Malformed("not Unicode text", where="leaf subject") from error
    if len(encoded) > MAX_LEAF_BYTES:
        raise Malformed(f"longer than {MAX_LEAF_BYTES} bytes", where="leaf")
    return encoded


def is_gap(data: bytes) -> bool:
    """Whether canonical bytes are those of a gap."""
    return data.startswith(_GAP_START)


def decode_entry(data: bytes) -> Entry:
    """The leaf or gap in `data`. Raises Malformed unless encoding it again gives exactly `data`."""
    if not is_gap(data):
        return decode(data)
    try:
        gap = Gap(_GAP_DECODER.decode(data).seq)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed("not a JSON object of two fields", where="gap leaf") from error
    if encode(gap) != data:
        raise Malformed("not in canonical form (RFC 8785)", where="gap leaf")
    return gap


def decode(data: bytes) -> Leaf:
    """The message's leaf in `data`. Raises Malformed for a gap, and unless encoding gives exactly `data`."""
    try:
        wire = _DECODER.decode(data)
        body_sha256 = bytes.fromhex(wire.body_sha256)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed("not a JSON object of four fields", where="leaf") from error
    time = _TIME.match(wire.time)
    if time is None:
        raise Malformed("not YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ", where="leaf time")
    time_ns = _parse_second(time[1]) * 1_000_000_000 + int(time[2])
    leaf = Leaf(wire.seq, time_ns, wire.subject, body_sha256)
    # Catches what JSON readers forgive: duplicate and unknown keys, white space, escapes, 1.0, upper case.
    if encode(leaf) != data:
        raise Malformed("not in canonical form (RFC 8785)", where="leaf")
    return leaf


@lru_cache(maxsize=4096)  # messages of one batch share a second or two
def _format_second(seconds: int) -> str:
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    except OverflowError as error:
        raise Malformed("outside the years 1 to 9999", where="leaf time") from error


@lru_cache(maxsize=4096)
def _parse_second(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text + "+00:00")
    except ValueError as error:
        raise Malformed("no such moment", where="leaf time") from error
    return (moment - _EPOCH) // timedelta(seconds=1)
