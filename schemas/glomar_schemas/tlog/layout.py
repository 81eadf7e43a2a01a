"""The files of a published log as outsiders name and read them: tiles and entry bundles, c2sp.org/tlog-tiles.

Called by the auditor, which writes and serves them, and by tlog_client, which reads them.
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from glomar_schemas.tlog.tree import TILE_WIDTH

CHECKPOINT: Final = "checkpoint"
COSIGNED: Final = "checkpoint.cosigned"
"""The newest that witnesses have cosigned, beside the newest of all."""
MAX_PATH_CHARS: Final = 80

_INDEX: Final = r"(?:x[0-9]{3}/)*[0-9]{3}"
_WIDTH: Final = r"(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_TILE: Final = re.compile(rf"tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/{_INDEX}(?:\.p/{_WIDTH})?\Z")


def is_tile(path: str) -> bool:
    """Is it a name that tile_path or bundle_path could give, or nothing that a log publishes?"""
    return len(path) <= MAX_PATH_CHARS and _TILE.match(path) is not None


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> PurePosixPath:
    """`tile/<L>/<N>[.p/<W>]`: width 256 is the full tile, 1 to 255 a partial one."""
    return PurePosixPath("tile", str(level), _index_path(index, width))


def bundle_path(index: int, width: int = TILE_WIDTH) -> PurePosixPath:
    """`tile/entries/<N>[.p/<W>]`: the entries under the level 0 tile of the same index and width."""
    return PurePosixPath("tile", "entries", _index_path(index, width))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """1 to 256 entries of at most 65,535 B -> each behind its length as big-endian uint16."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises ValueError if the lengths do not add up."""
    entries, offset = [], 0
    while offset < len(data):
        start = offset + 2
        offset = start + int.from_bytes(data[offset:start], "big")
        entries.append(data[start:offset])
    if offset != len(data):
        raise ValueError("the last entry is cut off")
    return entries


def _index_path(index: int, width: int) -> str:
    """67 -> 067, 1234067 -> x001/x234/067, and .p/<width> for a partial tile."""
    path = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        path = f"x{index % 1000:03d}/{path}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
