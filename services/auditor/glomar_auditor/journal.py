"""The ledger's truth: a file of batches, each durable before anything else learns of it.

Called by the sequencer: it appends to it, compacts it, and rebuilds everything else from it.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from glomar_schemas.errors import Fatal, IntegrityError

from glomar_auditor.tiles import Disk, decode_bundle, encode_bundle

# These bytes occur in no payload (UTF-8 has none of them, and no length is this large), so that after damage
# a search for them finds only the start of a later frame.
_MAGIC: Final = b"\xf7\xff\xfa\xff"
_HEADER: Final = Struct(">4sII")  # magic, payload bytes, CRC-32 of the payload bytes' length and the payload
_PAYLOAD: Final = Struct(">QI")  # index of the first entry, bytes of the entries


class Frame(NamedTuple):
    """One batch: index of its first entry, the entries, and the checkpoint note signed over all up to them.

    The first frame of a journal is its base: no entries, and the checkpoint whose tiles are already durable.
    """

    start: int
    entries: Sequence[bytes]
    checkpoint: str


def encode_frame(frame: Frame) -> bytes:
    """Magic, length, CRC-32, then start, entries as in a bundle, and the note."""
    entries = encode_bundle(frame.entries)
    payload = _PAYLOAD.pack(frame.start, len(entries)) + entries + frame.checkpoint.encode()
    return _HEADER.pack(_MAGIC, len(payload), _checksum(payload)) + payload


def read_frames(data: bytes, where: str) -> Iterator[tuple[int, Frame]]:
    """Each frame with the offset of its end, base first; stops before a torn frame at the very end.

    Raises IntegrityError if a frame is damaged and a whole one follows, or if the base itself is damaged:
    an interrupted append can leave neither.
    """
    offset = 0
    while offset < len(data):
        payload = _payload_at(data, offset)
        if payload is None:
            if offset == 0 or _has_frame_after(data, offset):
                raise IntegrityError(
                    f"damaged at byte {offset}, before its end",
                    where=where,
                    fix="Stop the auditor, keep the file, and restore the ledger directory from a copy; "
                    "it catches up from the stream",
                )
            return
        offset += _HEADER.size + len(payload)
        yield offset, _decode_payload(payload)


class Journal:
    """An open journal file, written by this process alone."""

    def __init__(self, path: Path, end: int, disk: Disk) -> None:
        """Open for appending after byte `end`; what follows is a torn frame, never released, and is cut."""
        self.path = path
        self.size = end
        self._disk = disk
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        if os.fstat(self._fd).st_size > end:
            self._disk.truncate(self._fd, end)
            self._disk.sync_data(self._fd)

    def append(self, frame: Frame) -> None:
        """One write and one fdatasync; when it returns, the batch survives a power cut.

        Raises Fatal if either fails: after a failed fsync the kernel may drop the pages and report success
        the next time, so it is never tried again. Raises IntegrityError if another process wrote the file.
        """
        self._require_unchanged()
        encoded = encode_frame(frame)
        try:
            self._disk.append(self._fd, encoded)
            self._disk.sync_data(self._fd)
        except OSError as error:
            self.close()
            raise _storage_failed(self.path) from error
        self.size += len(encoded)

    def compact(self, base: Frame) -> None:
        """Start over from `base`, whose tiles the caller has synced. A crash leaves the old file or the new.

        Raises Fatal if the storage fails.
        """
        self._require_unchanged()
        try:
            create_journal(self.path, base, self._disk)
        except OSError as error:
            self.close()
            raise _storage_failed(self.path) from error
        self.close()
        self.size = self.path.stat().st_size
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    def close(self) -> None:
        """Any later append raises Fatal."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _require_unchanged(self) -> None:
        if self._fd < 0:
            raise Fatal(
                "the journal is closed", where=str(self.path), fix="Start the auditor again; it recovers"
            )
        ours, named = os.fstat(self._fd), self.path.stat() if self.path.exists() else None
        if named is None or (ours.st_ino, ours.st_size) != (named.st_ino, self.size):
            self.close()
            raise IntegrityError(
                "another process changed the journal",
                where=str(self.path),
                fix="Find the second writer and stop it",
            )


def create_journal(path: Path, base: Frame, disk: Disk) -> None:
    """Put a journal that holds only `base` at `path`, durably and in one step. Raises OSError."""
    disk.replace_durably(path, encode_frame(base))


def _storage_failed(path: Path) -> Fatal:
    return Fatal(
        "the storage refused a write or a sync",
        where=str(path),
        fix="Check the disk, then start the auditor again",
    )


def _checksum(payload: bytes) -> int:
    return crc32(payload, crc32(len(payload).to_bytes(4, "big")))


def _payload_at(data: bytes, offset: int) -> bytes | None:
    if len(data) - offset < _HEADER.size:
        return None
    magic, length, checksum = _HEADER.unpack_from(data, offset)
    start = offset + _HEADER.size
    payload = data[start : start + length]
    if magic != _MAGIC or len(payload) != length or length < _PAYLOAD.size or _checksum(payload) != checksum:
        return None
    return payload


def _has_frame_after(data: bytes, offset: int) -> bool:
    while (offset := data.find(_MAGIC, offset + 1)) >= 0:
        if _payload_at(data, offset) is not None:
            return True
    return False


def _decode_payload(payload: bytes) -> Frame:
    start, length = _PAYLOAD.unpack_from(payload)
    middle = _PAYLOAD.size + length
    return Frame(start, decode_bundle(payload[_PAYLOAD.size : middle]), payload[middle:].decode())
