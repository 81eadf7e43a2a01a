"""`glomar-auditor monitor` and `evidence`: check a log from outside."""

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
from glomar_auditor.monitoring.monitor import Growth
from glomar_auditor.monitoring.monitor import monitor as check_log


def monitor(
    log: Annotated[
        str, Parameter(help="the ledger: its directory, a copy of it, or the URL it is published at")
    ],
    *,
    vkey: Annotated[Path, Parameter(help="the log's public key, as the oversight body published it")],
    state: Annotated[Path, Parameter(help="the file for the last proved checkpoint; one for each monitor")],
    follow: Annotated[
        bool, Parameter(negative=(), help="go on until stopped, or until something is wrong")
    ] = False,
    every_s: Annotated[
        float, Parameter(validator=Number(gt=0), help="with --follow: seconds between checks")
    ] = 60.0,
    as_json: Annotated[
        bool, Parameter("--json", help="print what was proved as JSON, one line for each check")
    ] = False,
) -> None:
    """Prove that the ledger only grew since the last run, and check each new entry.

    Exit code 6 if it was rewritten or rolled back: then both checkpoints are written next to STATE as
    evidence. Exit code 5 if it can't be read: nothing is concluded, run it again.
    """
    key = trusted_key(vkey)
    while True:
        try:
            _print(_check(log, key, state), as_json)
        except Retryable as error:
            if not follow:
                raise
            print(f"glomar-auditor: {error}", file=sys.stderr)
        if not follow:
            return
        time.sleep(every_s)


def evidence(
    file: Annotated[Path, Parameter(help="the file that `monitor` wrote when two checkpoints conflicted")],
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
        print(
            f"{what}: proved. Only the monitor's operator can say that the log showed the smaller one later"
        )


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


def _check(log: str, key: VerifierKey, state: Path) -> Growth:
    if "://" not in log:
        require_ledger(Path(log))
    with source(log) as files, progress("checking") as advance:
        return check_log(files, key, state, advance)


def _print(found: Growth, as_json: bool) -> None:
    now, before = found.now, found.before
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
        what = "checked from the first entry; no earlier checkpoint to compare with"
    elif before == now:
        what = "nothing new"
    else:
        what = f"they extend the {before.size} before, and the new ones were checked"
    print(f"{now.origin}: {now.size} entries, root {now.root.hex()}: {what}", flush=True)
