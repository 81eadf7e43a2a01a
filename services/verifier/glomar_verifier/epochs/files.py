"""The files of epochs: a wrapped key with the service, a share of it with each of two custodians.

Called by the service, which reads them, and by the `epoch` commands, which make and destroy them.
"""

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

from glomar_verifier.epochs.epoch import SHARE_BYTES, Wrapped, make_shares, unwrap, wrap

WRAPPED, SHARE = ".epoch", ".share"


class EpochFiles:
    """One directory with the wrapped keys, and one with each custodian: media that are in no backup."""

    def __init__(self, directory: Path, custodians: tuple[Path, Path]) -> None:
        self._directory = directory
        self._custodians = custodians

    def create(self, party: str, valid_from: datetime, valid_until: datetime) -> KeyRecord:
        """Makes a key and its three files; they are durable when this returns. Raises Misconfigured."""
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
        # The wrapped key comes last: where it is there, its shares are.
        for path, content in (
            *zip(parts, shares, strict=True),
            (wrapped, encode(wrap(private, record, shares))),
        ):
            create(path, content)
        return record

    def load(self, key_id: str) -> EllipticCurvePrivateKey:
        """Raises Misconfigured unless all three files are there, private, and each other's."""
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
        """Of every wrapped key that is there. Raises Misconfigured."""
        return [self._read(path).record for path in sorted(self._directory.glob(f"*{WRAPPED}"))]

    def files(self, key_id: str) -> int:
        """How many of the three are there."""
        return sum(path.exists() for path in self._paths(key_id))

    def destroy(self, key_id: str) -> int:
        """Overwrites and removes what is there of the three -> how many files. Durable when it returns.

        Raises Misconfigured, before anything is touched, where a custodian's medium is not there: its share
        would open what a backup holds.
        """
        self._require_media()
        present = [path for path in self._paths(key_id) if path.exists()]
        for path in present:
            _destroy(path)
        return len(present)

    def _paths(self, key_id: str) -> tuple[Path, Path, Path]:
        first, second = self._custodians
        return self._directory / f"{key_id}{WRAPPED}", first / f"{key_id}{SHARE}", second / f"{key_id}{SHARE}"

    def _read(self, path: Path) -> Wrapped:
        try:
            return decode(read_secret(path), Wrapped, what=str(path))
        except Malformed as fault:
            raise Misconfigured(fault.what, where=fault.where or str(path)) from None

    def _require_media(self) -> None:
        for path in (self._directory, *self._custodians):
            if not path.is_dir():
                raise Misconfigured(
                    "no such directory", where=str(path), fix="Is the custodian's medium there?"
                )
        if self._custodians[0].samefile(self._custodians[1]):
            raise Misconfigured("one custodian holds both shares", where=str(self._custodians[0]))


def _destroy(path: Path) -> None:
    """What a disk has copied elsewhere by itself stays there: so the shares are on media of their own."""
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
