"""Reads whole files, and writes them whole or not at all, durably, readable by their owner alone."""

import fcntl
import glob
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from glomar_schemas.errors import Misconfigured

OWNER_ONLY = 0o600


def read(path: Path) -> bytes:
    """Raises Misconfigured if it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(path)) from None


@contextmanager
def replacing(path: Path, *, mode: int = OWNER_ONLY, new: bool = False) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its name when the block ends without an error.

    A reader sees the old content or the new, also after a power cut. An error in the block leaves `path` as
    it was; the draft of a killed process goes at the next write. new: fail if `path` exists by then.
    Raises Misconfigured.
    """
    if path.exists() and not path.is_file():
        what = "is a directory" if path.is_dir() else "is not a regular file"
        raise Misconfigured(what, where=str(path), fix="Name a file")
    if new and path.exists():
        raise _exists(path)
    _remove_abandoned(path)
    draft: Path | None = None
    try:
        draft, file = _new_draft(path, mode)
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # Before the lock ends: another writer removes a draft that is not locked.
            _name(draft, path, new=new)
        sync(path.parent)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        if draft is not None:
            with suppress(OSError):
                draft.unlink()


@contextmanager
def replacing_text(path: Path, *, mode: int = OWNER_ONLY) -> Iterator[TextIO]:
    """Like `replacing`, for UTF-8 text; line ends are written as they are given."""
    with replacing(path, mode=mode) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()


def replace(path: Path, content: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Raises Misconfigured; then the old content stays."""
    with replacing(path, mode=mode) as file:
        file.write(content)


def create(path: Path, content: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Creates the file under its own name, with its mode from the first byte, and never overwrites.

    Needs no hard links, so that it works on removable media. Raises Misconfigured.
    """
    try:
        with _new_file(path, mode) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                path.unlink()
                raise
        sync(path.parent)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, error) from None


def require_distinct(out: Path, *others: Path) -> None:
    """Raises Misconfigured if `out` is one of the other files, under whatever name."""
    for other in others:
        if out.absolute() == other.absolute() or (out.exists() and other.exists() and out.samefile(other)):
            raise Misconfigured("the output would overwrite it", where=str(other), fix="Name another file")


def sync(path: Path) -> None:
    """Makes a file's content, or the names in a directory, durable. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _new_file(path: Path, mode: int) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, mode), "wb")


def _new_draft(path: Path, mode: int) -> tuple[Path, BinaryIO]:
    """A new file beside `path` with a random name, and its lock, which ends with this process."""
    while True:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
        file = _new_file(draft, mode)
        fcntl.flock(file, fcntl.LOCK_EX)
        # Another writer may have removed it as abandoned before it was locked.
        if os.fstat(file.fileno()).st_nlink:
            return draft, file
        file.close()


def _remove_abandoned(path: Path) -> None:
    """Removes drafts of `path` that no living process writes."""
    for draft in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.draft"):
        with suppress(OSError), draft.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.unlink()


def _name(draft: Path, path: Path, *, new: bool) -> None:
    if new:
        # Unlike a rename, a link replaces nothing that came in between.
        os.link(draft, path)
    else:
        draft.replace(path)


def _exists(path: Path) -> Misconfigured:
    return Misconfigured("there is a file already", where=str(path), fix="Choose another name")


def _unwritable(path: Path, error: OSError) -> Misconfigured:
    return Misconfigured(f"can't be written ({error.strerror})", where=str(path))
