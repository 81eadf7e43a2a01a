"""`glomar-auditor archive`: freeze a ledger, or its beginning, into one file. stdout is data."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from glomar_runtime.cli import progress
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.model import load_trust
from glomar_schemas.agreement.versions import load_versions
from glomar_schemas.errors import Misconfigured
from glomar_schemas.keys import read_signing_key
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.note import format_vkey, parse_vkey

from glomar_auditor.index.periods import LAST_NS, in_zone, to_ns
from glomar_auditor.ledger.archive import freeze
from glomar_auditor.ledger.view import open_view, signed_prefix
from glomar_auditor.settings import AuditorSettings


def archive(
    out: Annotated[Path, Parameter(help="the tar file to write; refuses to overwrite")],
    *,
    until: Annotated[
        datetime | None, Parameter(help="only what was stored before, such as 2027-01-01")
    ] = None,
    entries: Annotated[int | None, Parameter(help="only so many, from the first on")] = None,
    checkpoint: Annotated[Path | None, Parameter(help="an older checkpoint, such as a cosigned one")] = None,
    config: Annotated[Path, Parameter(help="the auditor's TOML file")],
    as_json: Annotated[bool, Parameter("--json", negative="", help="print JSON")] = False,
) -> None:
    """Freeze the ledger under its newest checkpoint, or its beginning; also while the auditor runs.

    With --until or --entries the checkpoint over the beginning is signed now, with the ledger's key. Check
    the file with `verify`.
    """
    if sum(given is not None for given in (until, entries, checkpoint)) > 1:
        raise Misconfigured(
            "more than one is given", where="--until, --entries, --checkpoint", fix="Give one of them"
        )
    settings = load_settings(AuditorSettings, config)
    agreement = load_versions(settings.agreement, load_trust(settings.trust)).newest.agreement
    origin = Subjects(agreement.id, settings.incarnation).origin(agreement.oversight)
    signer = read_signing_key(settings.ledger_key)
    view = open_view(settings.ledger, [parse_vkey(format_vkey(origin, signer.public_key()))], checkpoint)
    if entries is not None and not 0 < entries <= view.size:
        raise Misconfigured(f"the ledger has {view.size} entries", where="--entries", fix="Give fewer")
    if until is not None or entries is not None:
        until_ns = to_ns(in_zone(until, agreement.time_zone)) if until else LAST_NS
        view = signed_prefix(settings.ledger, view, signer, until_ns=until_ns, most=entries or view.size)
    with progress("freezing") as advance:
        digest = freeze(view, out, advance)
    root = view.checkpoint.root.hex()
    if as_json:
        shape = {"version": 1, "file": str(out), "sha256": digest, "origin": origin}
        print(json.dumps(shape | {"size": view.size, "root": root}))
    else:
        print(f"{out}: {view.size} entries of {origin}, root {root}, sha256 {digest}")
