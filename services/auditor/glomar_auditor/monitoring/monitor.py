"""Watches a log over time: each checkpoint must only append to the one before, and what is new must be right.

Called by `glomar-auditor monitor`, at oversight's and at anybody else's. It believes the log's public key and
the last checkpoint that it kept itself, and asks nothing of the log but the files that it publishes.
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
from glomar_auditor.monitoring import fork_evidence as evidence

_SHOW: Final = "Show it to the other parties, and rely on no receipt until it is explained"


class Seen(msgspec.Struct, frozen=True):
    """What was proved: the log as it is, and as it was the time before (None the first time)."""

    now: Checkpoint
    before: Checkpoint | None


def monitor(
    files: Source, key: VerifierKey, state: Path, progress: Callable[[int, int], None] | None = None
) -> Seen:
    """Prove that the log only appended since the checkpoint in `state`, and check each entry since.

    Without a file at `state` the log is checked from its first entry. `progress(done, size)` counts entries.
    The new checkpoint takes its place only once all is proved, and in one step.

    Raises IntegrityError: not signed by `key`, rolled back or forked (both checkpoints are then beside
    `state`), or files that contradict what was signed. Unreachable if a file is not there or can't be read:
    nothing is concluded. Misconfigured if `state` can't be read or written.
    """
    opened = signed_by([key])
    kept = _kept(state, opened)
    before = opened(kept) if kept is not None else None
    log = _published(files, opened)
    if kept is not None and before is not None:
        _require_extends(log, kept, before, opened, key, state)
    _check_entries(log, before.size if before is not None else 0, progress)
    if log.note != kept:
        _write(state, log.note.encode())
    return Seen(log.checkpoint, before)


def _kept(state: Path, opened: OpenNote) -> str | None:
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
    log: PublishedLog, kept: str, before: Checkpoint, opened: OpenNote, key: VerifierKey, state: Path
) -> None:
    if log.size < before.size:
        what = (
            f"it ends at {log.size} entries, and {before.size} were signed before: put back, or an old copy"
        )
        found = evidence.of_rollback(key, kept, log)
    else:
        try:
            return log.require_extends(kept, opened)
        except Forked as error:
            what, found = error.what, evidence.of_fork(key, kept, before, log)
    # The same find again and again gives the same file.
    name = f"{state.name}.{found.fault}-{log.size}-{log.checkpoint.root.hex()[:16]}.json"
    _write(state.with_name(name), evidence.encode(found))
    raise IntegrityError(
        what, where="ledger", fix=f"Both checkpoints are in {state.with_name(name)}. {_SHOW}"
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
