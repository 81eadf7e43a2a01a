"""A ledger frozen into one tar file, under a signed checkpoint, and read again. Called by the command line.

The same ledger and checkpoint give the same bytes. Unpacked it is a ledger that every tool for C2SP
tlog-tiles reads; nothing can be added to it.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from glomar_runtime.cli import Advance
from glomar_schemas.errors import IntegrityError, Misconfigured
from glomar_schemas.files import replacing
from glomar_schemas.tlog.layout import bundle_path, encode_bundle, tile_path
from glomar_schemas.tlog.merkle import HASH_BYTES, leaf_hash
from glomar_schemas.tlog.note import VerifierKey, format_vkey
from glomar_schemas.tlog.tree import TILE_WIDTH, Tile, Tree

from glomar_auditor.ledger.fsck import Report, verify
from glomar_auditor.ledger.view import LedgerView, no_tiles, open_view

_NAME = re.compile(r"checkpoint|log\.vkey|tile/(entries|[0-9]{1,2})/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})?")
_LARGEST = TILE_WIDTH * (2**16 + 1)
_CHUNK = 2**20
_FIRST: Final = "log.vkey"


def freeze(view: LedgerView, out: Path, advance: Advance) -> str:
    """Writes the whole file or none, durably -> its SHA-256, hex.

    Raises Misconfigured (it is there already, can't be written), IntegrityError (the ledger is not what was
    signed).
    """
    with replacing(out, mode=0o644, new=True) as file:
        _write(view, file, advance)
    return _digest(out)


def thaw(archive: Path, directory: Path) -> None:
    """Unpacks into an empty directory, and nothing but a ledger's files. Raises IntegrityError."""
    seen: set[str] = set()
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                known = member.isreg() and _NAME.fullmatch(member.name) and member.name not in seen
                content = tar.extractfile(member) if known and member.size <= _LARGEST else None
                if content is None:
                    raise _damaged(archive, "it holds something that is no file of a ledger")
                seen.add(member.name)
                path = directory / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _damaged(archive, f"not a tar file that can be read ({type(error).__name__})") from None
    except OSError as error:
        raise Misconfigured(f"can't be unpacked ({error.strerror})", where=str(archive)) from None


def verify_archive(archive: Path, directory: Path, key: VerifierKey, advance: Advance) -> Report:
    """Unpacks into an empty directory, checks the ledger, and that each byte of the file is as it must be.

    Raises IntegrityError, Misconfigured.
    """
    _require_archive(archive)
    thaw(archive, directory)
    report = verify(directory, key, advance)
    again = _Digest()
    _write(open_view(directory, [key]), again, lambda done, total: None)
    if again.hexdigest() != _digest(archive):
        raise _damaged(archive, "its ledger is whole, but the file is not as it was written")
    return report


def _require_archive(archive: Path) -> None:
    try:
        with archive.open("rb") as file:
            head = file.read(tarfile.BLOCKSIZE)
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(archive)) from None
    # Two marks, so that no single damage makes an archive look like a mistake of the caller; nor does a cut.
    if head and b"ustar" not in head and not head.startswith(_FIRST.encode()):
        raise Misconfigured(
            "neither a ledger nor an archive of one", where=str(archive), fix="Give a directory or a tar file"
        )


class _Digest(io.RawIOBase):
    """A file that keeps only the digest of what is written to it."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: object, /) -> int:
        written = bytes(data)  # type: ignore[call-overload]
        self._sha256.update(written)
        self._size += len(written)
        return len(written)

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def _write(view: LedgerView, file: BinaryIO | _Digest, advance: Advance) -> None:
    # No member's head says who wrote it or when, so that the same ledger gives the same bytes.
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in _files(view, advance):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))


def _files(view: LedgerView, advance: Advance) -> Iterator[tuple[str, bytes]]:
    """Entries and the tiles that follow from them; the checkpoint last, once they hash to its root."""
    yield _FIRST, f"{format_vkey(view.key.name, view.key.public_key)}\n".encode()
    tree, edges = Tree(no_tiles), dict[int, Tile]()
    for number, entries in enumerate(view.bundles()):
        yield str(bundle_path(number, len(entries))), encode_bundle(entries)
        for tile in tree.append(map(leaf_hash, entries)):
            edges[tile.level] = tile
            if len(tile.hashes) == TILE_WIDTH * HASH_BYTES:
                yield _tile(edges.pop(tile.level))
        advance(tree.size, view.size)
    for tile in edges.values():
        yield _tile(tile)
    if tree.root() != view.checkpoint.root:
        raise IntegrityError(
            "the entries do not hash to the signed root",
            where=view.checkpoint.origin,
            fix="Keep the files as evidence; see what `verify` says",
        )
    yield "checkpoint", view.note.encode()


def _tile(tile: Tile) -> tuple[str, bytes]:
    return str(tile_path(tile.level, tile.index, len(tile.hashes) // HASH_BYTES)), tile.hashes


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _damaged(archive: Path, what: str) -> IntegrityError:
    return IntegrityError(what, where=str(archive), fix="Keep the file and compare it with another copy")
