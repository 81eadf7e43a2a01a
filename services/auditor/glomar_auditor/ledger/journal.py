"""The ledger's truth: a file of batches, each durable before anything else learns of it.

Called by the sequencer: it appends to it, starts it over, and rebuilds everything else from it.
"""

import os
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, NamedTuple
from zlib import crc32

from glomar_schemas.errors import Fatal, IntegrityError
from glomar_schemas.tlog.layout import decode_bundle, encode_bundle

from glomar_auditor.ledger.disk import Disk, storage_failed

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

    @property
    def end(self) -> int:
        """Index behind the last entry."""
        return self.start + len(self.entries)


def encode_frame(frame: Frame) -> bytes:
    """Magic, length, CRC-32, then start, entries as in a bundle, and the note."""
    entries = encode_bundle(frame.entries)
    payload = _PAYLOAD.pack(frame.start, len(entries)) + entries + frame.checkpoint.encode()
    return _HEADER.pack(_MAGIC, len(payload), _checksum(payload)) + payload


def read_frames(file: BinaryIO, where: str) -> Iterator[Frame]:
    """Each frame, base first, one at a time in memory; stops before a torn frame at the very end.

    In the place of a torn frame old blocks of the disk may show, with frames of an older journal.
    Raises IntegrityError if a frame is damaged and a later one is whole, or if the base itself is damaged:
    an interrupted append can leave neither.
    """
    size = file.seek(0, os.SEEK_END)
    offset, known = 0, -1
    while offset < size:
        frame = _frame_at(file, offset, size)
        if frame is None or frame.start < known:
            file.seek(offset + 1)
            if known < 0 or _has_frame_behind(file.read(), known):
                raise IntegrityError(
                    f"damaged at byte {offset}, before its end",
                    where=where,
                    fix="Stop the auditor, keep the file, and restore the ledger directory from a copy; "
                    "it catches up from the stream",
                )
            return
        offset, known = file.tell(), frame.end
        yield frame


class Journal:
    """An open journal file, written by this process alone."""

    def __init__(self, path: Path, base: Frame, disk: Disk) -> None:
        """Put a journal that holds only `base` at `path` and open it. See start_over()."""
        self.path = path
        self._disk = disk
        self._fd = -1
        self._begin(base)

    def append(self, frame: Frame) -> None:
        """One write and one fdatasync; when it returns, the batch survives a power cut.

        Raises Fatal if either fails. Raises IntegrityError if another process wrote the file, before or
        meanwhile: nothing that rests on the frame may then be released.
        """
        self._require_unchanged()
        encoded = encode_frame(frame)
        try:
            self._disk.append(self._fd, encoded)
            self._disk.sync_data(self._fd)
        except OSError as error:
            self.close()
            raise storage_failed(self.path, error) from error
        self.size += len(encoded)
        self._require_unchanged()

    def start_over(self, base: Frame) -> None:
        """Put a journal that holds only `base` in the place of this one, durably and in one step.

        A crash leaves the old file or the new; the tiles that `base` rests on must be durable before.
        Raises OSError; IntegrityError if another process wrote the file.
        """
        self._require_unchanged()
        self.close()
        self._begin(base)

    def close(self) -> None:
        """Any later append raises Fatal."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _begin(self, base: Frame) -> None:
        encoded = encode_frame(base)
        self._disk.replace_durably(self.path, encoded)
        self.size = len(encoded)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    def _require_unchanged(self) -> None:
        """Compare and swap: the file at the path is the one we have open, and ends with our last frame."""
        if self._fd < 0:
            raise Fatal(
                "the journal is closed", where=str(self.path), fix="Start the auditor again; it recovers"
            )
        ours = os.fstat(self._fd)
        try:
            named = self.path.stat().st_ino
        except FileNotFoundError:
            named = 0
        if (ours.st_ino, ours.st_size) != (named, self.size):
            self.close()
            raise IntegrityError(
                "another process changed the journal",
                where=str(self.path),
                fix="Find the second writer and stop it",
            )


def _checksum(payload: bytes) -> int:
    return crc32(payload, crc32(len(payload).to_bytes(4, "big")))


def _frame_at(file: BinaryIO, offset: int, size: int) -> Frame | None:
    """None unless it is there whole, as it was written; then the file stands behind it. size: of the file."""
    file.seek(offset)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    magic, length, checksum = _HEADER.unpack(header)
    # Compared before it is read: a damaged length would ask for gigabytes.
    if magic != _MAGIC or not _PAYLOAD.size <= length <= size - offset - _HEADER.size:
        return None
    payload = file.read(length)
    return _decode_payload(payload) if _checksum(payload) == checksum else None


def _has_frame_behind(data: bytes, known: int) -> bool:
    """Whether a whole frame follows that starts behind leaf `known`."""
    file, offset = BytesIO(data), -1
    while (offset := data.find(_MAGIC, offset + 1)) >= 0:
        frame = _frame_at(file, offset, len(data))
        if frame is not None and frame.start > known:
            return True
    return False


def _decode_payload(payload: bytes) -> Frame:
    start, length = _PAYLOAD.unpack_from(payload)
    middle = _PAYLOAD.size + length
    return Frame(start, decode_bundle(payload[_PAYLOAD.size : middle]), payload[middle:].decode())
