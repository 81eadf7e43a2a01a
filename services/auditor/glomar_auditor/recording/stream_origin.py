"""When the stream under a ledger was created, written down once beside the ledger. Called by the watch.

A stream that was deleted and made anew has the same name and starts again at sequence 1.
"""

from pathlib import Path

import msgspec
from glomar_schemas.errors import IntegrityError

from glomar_auditor.ledger.disk import Disk


class _Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    stream: str
    created: str


class OriginFile:
    """`stream.json` in the ledger's directory. The ledger's lock is the caller's."""

    def __init__(self, directory: Path, stream: str, disk: Disk | None = None) -> None:
        """Raises IntegrityError for a file that says something else than it may."""
        self._path = directory / "stream.json"
        self._stream = stream
        self._disk = disk or Disk()
        self.created = self._read()
        """RFC 3339; "" before the first comparison that found nothing wrong."""

    def note(self, created: str) -> None:
        """Durably. Raises OSError."""
        content = msgspec.json.encode(_Origin(1, self._stream, created))
        self._disk.replace_durably(self._path, content + b"\n")
        self.created = created

    def _read(self) -> str:
        if not self._path.exists():
            return ""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_Origin)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
        if found is None or found.stream != self._stream:
            raise IntegrityError(
                "not what was written down of this stream",
                where=str(self._path),
                fix="Restore it from a copy of the ledger's directory",
            )
        return found.created
