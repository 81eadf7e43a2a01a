"""`glomar-auditor monitor` and `evidence`: a log watched from outside. Called by cli."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from glomar_runtime.cli import progress
from glomar_schemas.errors import Malformed, Misconfigured, Retryable
from glomar_schemas.tlog.client import source
from glomar_schemas.tlog.note import VerifierKey, parse_vkey

from glomar_auditor.ledger.fsck import require_ledger
from glomar_auditor.monitoring.fork_evidence import check, read
from glomar_auditor.monitoring.monitor import Seen
from glomar_auditor.monitoring.monitor import monitor as look


def monitor(
    log: Annotated[
        str, Parameter(help="the ledger: its directory, a copy of it, or the URL it is published at")
    ],
    *,
    vkey: Annotated[Path, Parameter(help="the log's public key, as the oversight body published it")],
    state: Annotated[
        Path, Parameter(help="where the last checkpoint that was proved is kept; one for each monitor")
    ],
    follow: Annotated[bool, Parameter(negative=(), help="go on until stopped or something is wrong")] = False,
    every_s: Annotated[
        float, Parameter(validator=Number(gt=0), help="with --follow: seconds between looks")
    ] = 60.0,
    as_json: Annotated[
        bool, Parameter("--json", help="print what was proved as JSON, a line each time")
    ] = False,
) -> None:
    """Prove that the ledger only grew since the last time, and check each entry since.

    Exit code 6 if it was rewritten or put back: both checkpoints are then kept beside STATE as evidence. 5 if
    it can't be read: nothing is concluded, run it again.
    """
    key = trusted_key(vkey)
    while True:
        try:
            _say(_look(log, key, state), as_json)
        except Retryable as error:
            if not follow:
                raise
            print(f"glomar-auditor: {error}", file=sys.stderr)
        if not follow:
            return
        time.sleep(every_s)


def evidence(
    file: Annotated[Path, Parameter(help="what `monitor` wrote when it found two checkpoints that conflict")],
    *,
    vkey: Annotated[Path, Parameter(help="the log's public key, as the oversight body published it")],
    as_json: Annotated[bool, Parameter("--json", help="print what is proved as JSON")] = False,
) -> None:
    """Check that the log's key signed both checkpoints and that they conflict. Exit code 3 if not."""
    found = read(file)
    older, newer = check(found, trusted_key(vkey))
    if as_json:
        shown = {"version": 1, "origin": older.origin, "fault": found.fault}
        print(json.dumps(shown | {"older_size": older.size, "newer_size": newer.size}))
        return
    what = f"{older.origin}: its key signed a ledger of {older.size} entries, and one of {newer.size}"
    if found.fault == "fork":
        print(f"{what} that does not begin with it: proved")
    else:
        print(f"{what}: proved. That the smaller one was shown later is the word of whoever kept this")


def trusted_key(path: Path) -> VerifierKey:
    """The log's public key in a vkey file. Raises Misconfigured."""
    try:
        return parse_vkey(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise Misconfigured(
            f"the log's public key can't be read ({error.strerror})", where=str(path)
        ) from None
    except (UnicodeDecodeError, Malformed):
        raise Misconfigured(
            "not a log's public key",
            where=str(path),
            fix="Give the log.vkey that the oversight body published",
        ) from None


def _look(log: str, key: VerifierKey, state: Path) -> Seen:
    if "://" not in log:
        require_ledger(Path(log))
    with source(log) as files, progress("checking") as advance:
        return look(files, key, state, advance)


def _say(seen: Seen, as_json: bool) -> None:
    now, before = seen.now, seen.before
    if as_json:
        shown = {
            "version": 1,
            "origin": now.origin,
            "size": now.size,
            "root": now.root.hex(),
            "size_before": before.size if before is not None else None,
        }
        print(json.dumps(shown), flush=True)
        return
    if before is None:
        what = "checked from the first; no earlier checkpoint to compare with"
    elif before == now:
        what = "nothing new"
    else:
        what = f"they begin with the {before.size} before, and the new ones were checked"
    print(f"{now.origin}: {now.size} entries, root {now.root.hex()}: {what}", flush=True)
