"""Reads a published log, from a URL or a directory, and believes nothing in it but what the log's key signed.

Called by publishers (own_messages) and by whoever monitors a log: `with source(where) as files:`, then
`PublishedLog.read(files, opened)`, then `require_extends` the checkpoint that was kept from the last time.
It blocks: an event loop calls it in a thread.
"""

import http.client
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from glomar_schemas.errors import IntegrityError, Malformed, Misconfigured, Unreachable, Untrusted
from glomar_schemas.tlog.layout import CHECKPOINT, bundle_path, decode_bundle, tile_path
from glomar_schemas.tlog.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, root, verify_consistency
from glomar_schemas.tlog.note import MAX_NOTE_CHARS, Checkpoint, VerifierKey, open_checkpoint
from glomar_schemas.tlog.tree import TILE_WIDTH, Tree

TIMEOUT_S: Final = 5.0
"""For each read and write on the connection."""
MAX_FILE_BYTES: Final = TILE_WIDTH * (2 + 0xFFFF)
"""The largest entry bundle that can be."""
USER_AGENT: Final = "glomar-ledger-check"

_EVIDENCE: Final = "Keep both checkpoints as evidence and show them to the other parties"

OpenNote = Callable[[str], Checkpoint]
"""A signed note -> its checkpoint, or Untrusted or Malformed."""


class Forked(IntegrityError):
    """Two checkpoints that the log's key signed and that can't both be true. notes: the older, the newer."""

    def __init__(self, what: str, notes: tuple[str, str]) -> None:
        super().__init__(what, where="ledger", fix=_EVIDENCE)
        self.notes = notes


class Source(Protocol):
    """Where a log is published."""

    def get(self, path: str) -> bytes | None:
        """The file of that name; None if there is none. Raises Unreachable."""
        ...


class Directory:
    """A log's directory, or a copy of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, path: str) -> bytes | None:
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreachable(f"can't be read ({error.strerror})", where=str(self._root / path)) from None


class Website:
    """A log behind an http or https URL, on one connection. Follows no redirect and no proxy setting."""

    def __init__(self, url: str) -> None:
        """Raises Misconfigured."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment or "@" in url:
            raise Misconfigured("not an http or https URL of a log", where="ledger_url")
        self._url, self._prefix = url, parts.path.rstrip("/")
        self._connection = (
            http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        )

    def get(self, path: str) -> bytes | None:
        try:
            self._connection.request("GET", f"{self._prefix}/{path}", headers={"User-Agent": USER_AGENT})
            answer = self._connection.getresponse()
            body = answer.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreachable(
                f"the ledger's publication does not answer ({type(error).__name__})", where=self._url
            ) from None
        if answer.status in (404, 410):
            return None
        if answer.status != 200 or len(body) > MAX_FILE_BYTES:
            self._connection.close()
            raise Unreachable(f"the ledger's publication answers {answer.status}", where=self._url)
        return body

    def close(self) -> None:
        self._connection.close()


@contextmanager
def source(where: str) -> Iterator[Source]:
    """`where`: a URL or a path. Raises Misconfigured."""
    if "://" in where:
        with closing(Website(where)) as website:
            yield website
    else:
        yield Directory(Path(where))


def signed_by(keys: Iterable[VerifierKey]) -> OpenNote:
    """Opens what any of the keys has signed: a log may change its key."""
    known = list(keys)

    def opened(note: str) -> Checkpoint:
        fault = Untrusted("no key of the log is known", where=CHECKPOINT)
        for key in known:
            try:
                return open_checkpoint(note, key)
            except Untrusted as error:
                fault = error
        raise fault

    return opened


class PublishedLog:
    """A log as one signed checkpoint says it is. Whatever is read of it later is checked against that."""

    def __init__(self, files: Source, note: str, checkpoint: Checkpoint) -> None:
        """Use read()."""
        self._files = files
        self.note = note
        self.checkpoint = checkpoint
        self._tree = Tree(self._tile, checkpoint.size)
        if self._tree.root() != checkpoint.root:
            raise _contradiction("its tiles do not hash to the signed root", "tile")

    @classmethod
    def read(cls, files: Source, opened: OpenNote) -> "PublishedLog":
        """The newest checkpoint and the edge of the tree under it: one file, and at most one for each level.

        Raises Unreachable (also where a file that must be there is not: a publication may lag, or be
        incomplete), Malformed or Untrusted (not signed by the log's key), IntegrityError.
        """
        content = files.get(CHECKPOINT)
        if content is None:
            raise _missing(CHECKPOINT)
        if len(content) > MAX_NOTE_CHARS:
            raise Malformed(f"longer than {MAX_NOTE_CHARS} bytes", where=CHECKPOINT)
        try:
            note = content.decode()
        except UnicodeDecodeError:
            raise Malformed("not UTF-8", where=CHECKPOINT) from None
        return cls(files, note, opened(note))

    @property
    def size(self) -> int:
        return self.checkpoint.size

    def require_extends(self, older_note: str, opened: OpenNote) -> None:
        """Returns once it is proved that this log only appends to what the older checkpoint signed.

        Raises Forked; Unreachable if this one is smaller: a copy that lags can't be told from a log that was
        rolled back before it grows again, which then shows.
        """
        older = opened(older_note)
        if older.size > self.size:
            raise Unreachable(
                f"it ends at {self.size} entries, and {older.size} were signed before",
                where="ledger",
                fix="Is it a copy that lags? If it stays so, the ledger was rolled back",
            )
        proof = self._tree.consistency_proof(older.size)
        try:
            verify_consistency(older.size, older.root, self.size, self.checkpoint.root, proof)
        except IntegrityError:
            what = (
                f"the ledger was rewritten: its {self.size} entries do not begin with the {older.size} before"
            )
            raise Forked(what, (older_note, self.note)) from None

    def beginning(self, size: int) -> tuple[bytes, tuple[bytes, ...]]:
        """The root over the first `size` entries, and the consistency proof from it to the checkpoint's."""
        return self._tree.range_root(0, size) if size else EMPTY_ROOT, self._tree.consistency_proof(size)

    def bundle(self, index: int) -> list[bytes]:
        """Entries 256 * index to at most 256 * index + 255, each proved to be under the checkpoint.

        Raises IntegrityError; Unreachable if the file is not there; IndexError beyond the log's end.
        """
        low, high = index * TILE_WIDTH, min((index + 1) * TILE_WIDTH, self.size)
        if not 0 <= low < high:
            raise IndexError(f"bundle {index} is not in a log of {self.size} entries")
        path, data = self._widest(high - low, lambda width: str(bundle_path(index, width)))
        try:
            entries = decode_bundle(data)
        except ValueError as error:
            raise _contradiction(str(error), path) from None
        entries = entries[: high - low]
        if root(list(map(leaf_hash, entries))) != self._tree.range_root(low, high):
            raise _contradiction("its entries do not hash to the signed root", path)
        return entries

    def _tile(self, level: int, index: int, width: int) -> bytes:
        path, data = self._widest(width, lambda stored: str(tile_path(level, index, stored)))
        if len(data) % HASH_BYTES or len(data) < width * HASH_BYTES:
            raise _contradiction(f"{len(data)} bytes, not {width} hashes", path)
        return data[: width * HASH_BYTES]

    def _widest(self, width: int, name: Callable[[int], str]) -> tuple[str, bytes]:
        """The partial file of that width, or the full one, for which partial ones may have been removed."""
        for stored in dict.fromkeys((width, TILE_WIDTH)):
            path = name(stored)
            if (data := self._files.get(path)) is not None:
                return path, data
        raise _missing(path)


def _missing(path: str) -> Unreachable:
    return Unreachable("not published (yet)", where=path, fix="It is looked for again")


def _contradiction(what: str, path: str) -> IntegrityError:
    return IntegrityError(what, where=path, fix="Keep the file and the checkpoint as evidence")
