"""The files of an epoch: a wrapped key with the service, and one share of it with each of two custodians."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.files import create, sync
from glomar_schemas.keys import KeyRecord, generate, public_text, read_secret
from glomar_schemas.messages import encode

from glomar_verifier.epochs.epoch import SHARE_BYTES, WrappedKey, make_shares, unwrap, wrap

WRAPPED, SHARE = ".epoch", ".share"


class EpochFiles:
    """The directory of wrapped keys and one directory of each custodian, on media that are in no backup."""

    def __init__(self, directory: Path, custodians: tuple[Path, Path]) -> None:
        self._directory = directory
        self._custodians = custodians

    def create(self, party: str, valid_from: datetime, valid_until: datetime) -> KeyRecord:
        """Creates a key and its three files; they are durable when this returns. Raises Misconfigured."""
        self._require_media()
        private = generate("seal")
        assert isinstance(private, EllipticCurvePrivateKey)
        record = KeyRecord(
            party=party,
            use="seal",
            public=public_text(private.public_key()),
            valid_from=valid_from,
            valid_until=valid_until,
        )
        shares = make_shares()
        wrapped, *parts = self._paths(record.key_id)
        # The wrapped key is written last: if it exists, its shares exist.
        for path, content in (
            *zip(parts, shares, strict=True),
            (wrapped, encode(wrap(private, record, shares))),
        ):
            create(path, content)
        return record

    def load(self, key_id: str) -> EllipticCurvePrivateKey:
        """Raises Misconfigured unless all three files exist, are private and belong together."""
        wrapped, first, second = self._paths(key_id)
        try:
            shares = read_secret(first), read_secret(second)
            found = self._read(wrapped)
            if found.record.key_id != key_id:
                raise Malformed("is the file of another key")
            return unwrap(found, shares)
        except Malformed as fault:
            raise Misconfigured(fault.what, where=str(wrapped), fix="Look for the right files") from None

    def records(self) -> list[KeyRecord]:
        """The record of every wrapped key. Raises Misconfigured."""
        return [self._read(path).record for path in sorted(self._directory.glob(f"*{WRAPPED}"))]

    def files(self, key_id: str) -> int:
        """How many of the three files exist."""
        return sum(path.exists() for path in self._paths(key_id))

    def destroy(self, key_id: str) -> int:
        """Overwrites and removes the files that exist -> how many. Durable when it returns.

        Raises Misconfigured before it changes anything if a custodian's medium is not mounted: its share
        could still open a copy in a backup.
        """
        self._require_media()
        present = [path for path in self._paths(key_id) if path.exists()]
        for path in present:
            _destroy(path)
        return len(present)

    def _paths(self, key_id: str) -> tuple[Path, Path, Path]:
        first, second = self._custodians
        return self._directory / f"{key_id}{WRAPPED}", first / f"{key_id}{SHARE}", second / f"{key_id}{SHARE}"

    def _read(self, path: Path) -> WrappedKey:
        try:
            return decode(read_secret(path), WrappedKey, what=str(path))
        except Malformed as fault:
            raise Misconfigured(fault.what, where=fault.where or str(path)) from None

    def _require_media(self) -> None:
        for path in (self._directory, *self._custodians):
            if not path.is_dir():
                raise Misconfigured("no such directory", where=str(path), fix="Mount the custodian's medium")
        if self._custodians[0].samefile(self._custodians[1]):
            raise Misconfigured("one custodian holds both shares", where=str(self._custodians[0]))


def _destroy(path: Path) -> None:
    """A disk may keep copies of its own elsewhere; therefore the shares are on separate media."""
    try:
        with path.open("r+b") as file:
            file.write(os.urandom(max(SHARE_BYTES, path.stat().st_size)))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            path.unlink()
        sync(path.parent)
    except OSError as error:
        raise Misconfigured(f"can't be destroyed ({error.strerror})", where=str(path)) from None
