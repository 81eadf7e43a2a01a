"""Checks a log over time: each checkpoint extends the previous one, and new entries are valid.

It trusts the log's public key and the last checkpoint that it stored. It reads only published files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from glomar_schemas.errors import IntegrityError, Misconfigured, Refused
from glomar_schemas.tlog.client import Forked, OpenNote, PublishedLog, Source, signed_by
from glomar_schemas.tlog.layout import CHECKPOINT, bundle_path
from glomar_schemas.tlog.note import Checkpoint, VerifierKey
from glomar_schemas.tlog.tree import TILE_WIDTH

from glomar_auditor.ledger.disk import Disk
from glomar_auditor.ledger.fsck import require_leaves
from glomar_auditor.monitoring import fork_evidence

_ADVICE: Final = "Show it to the other parties, and rely on no receipt until it is explained"


class Growth(msgspec.Struct, frozen=True):
    """What was proved. now: the log's checkpoint; before: that of the previous run (None for the first)."""

    now: Checkpoint
    before: Checkpoint | None


def monitor(
    files: Source, key: VerifierKey, state: Path, progress: Callable[[int, int], None] | None = None
) -> Growth:
    """Prove that the log only appended since the checkpoint in `state`, and check each entry since.

    Without a file at `state` the log is checked from its first entry. `progress(done, size)` counts entries.
    The new checkpoint replaces the file in one step, after everything is proved.

    Raises IntegrityError: not signed by `key`, rolled back or forked (then both checkpoints are written next
    to `state`), or files that contradict what was signed. Unreachable if a file is missing or can't be read:
    nothing is concluded. Misconfigured if `state` can't be read or written.
    """
    opened = signed_by([key])
    stored = _stored(state, opened)
    before = opened(stored) if stored is not None else None
    log = _published(files, opened)
    if stored is not None and before is not None:
        _require_extends(log, stored, before, opened, key, state)
    _check_entries(log, before.size if before is not None else 0, progress)
    if log.note != stored:
        _write(state, log.note.encode())
    return Growth(log.checkpoint, before)


def _stored(state: Path, opened: OpenNote) -> str | None:
    try:
        # As bytes: text mode would turn a carriage return into a newline and hide a changed byte.
        note = state.read_bytes().decode()
        opened(note)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(state)) from None
    except (UnicodeDecodeError, Refused):
        raise IntegrityError(
            "not a checkpoint that this key signed",
            where=str(state),
            fix="Restore it, or check --vkey. A new file would forget what the log has signed so far",
        ) from None
    return note


def _published(files: Source, opened: OpenNote) -> PublishedLog:
    try:
        return PublishedLog.read(files, opened)
    except Refused as error:
        raise IntegrityError(
            f"not a checkpoint that the key you trust signed ({error.what})",
            where=CHECKPOINT,
            fix="Check --vkey; if it is right, keep the file as evidence",
        ) from error


def _require_extends(
    log: PublishedLog, stored: str, before: Checkpoint, opened: OpenNote, key: VerifierKey, state: Path
) -> None:
    if log.size < before.size:
        what = f"it ends at {log.size} entries, and {before.size} were signed before: "
        what += "rolled back, or an old copy"
        found = fork_evidence.of_rollback(key, stored, log)
    else:
        try:
            return log.require_extends(stored, opened)
        except Forked as error:
            what, found = error.what, fork_evidence.of_fork(key, stored, before, log)
    # The same fault gives the same file name each time.
    name = f"{state.name}.{found.fault}-{log.size}-{log.checkpoint.root.hex()[:16]}.json"
    _write(state.with_name(name), fork_evidence.encode(found))
    raise IntegrityError(
        what, where="ledger", fix=f"Both checkpoints are in {state.with_name(name)}. {_ADVICE}"
    )


def _check_entries(log: PublishedLog, start: int, progress: Callable[[int, int], None] | None) -> None:
    for index in range(start // TILE_WIDTH, -(-log.size // TILE_WIDTH)):
        entries = log.bundle(index)
        require_leaves(entries, index * TILE_WIDTH, str(bundle_path(index)))
        if progress is not None:
            progress(index * TILE_WIDTH + len(entries), log.size)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Disk().replace_durably(path, content)
    except OSError as error:
        raise Misconfigured(f"can't be written ({error.strerror})", where=str(path)) from None
