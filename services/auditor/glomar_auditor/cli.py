"""`glomar-auditor`: serve the auditor, verify a ledger, order holds. stdout is data, stderr is people."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from glomar_runtime import service
from glomar_runtime.cli import progress, run_cli
from glomar_runtime.settings import load_settings
from glomar_schemas.errors import Misconfigured
from glomar_schemas.note import parse_vkey

from glomar_auditor.app import build_app
from glomar_auditor.cli_incarnation import app as incarnation
from glomar_auditor.fsck import verify as verify_ledger
from glomar_auditor.officials.cli import app as control
from glomar_auditor.officials.cli_agreement import app as agreement
from glomar_auditor.settings import AuditorSettings

app = App("glomar-auditor", help="The oversight body's side of Glomar: the ledger, receipts and releases.")
app.command(control)
app.command(agreement)
app.command(incarnation)


@app.command
def serve(*, config: Annotated[Path, Parameter(help="the auditor's TOML file")]) -> None:
    """Record every message of the stream, and release verdicts with their receipts. Until stopped."""
    settings = load_settings(AuditorSettings, config)
    service.run("glomar-auditor", settings, lambda stop: build_app(settings, stop))


@app.command
def verify(
    directory: Annotated[Path, Parameter(help="the ledger: its checkpoint and tiles")],
    *,
    vkey: Annotated[Path, Parameter(help="the log's public key, as the oversight body published it")],
    as_json: Annotated[bool, Parameter("--json", help="print the report as JSON")] = False,
) -> None:
    """Recompute the whole ledger from its entries and compare. Exit code 6 if anything differs."""
    try:
        key = parse_vkey(vkey.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        raise Misconfigured("the log's public key can't be read", where=str(vkey)) from None
    with progress("verifying") as advance:
        report = verify_ledger(directory, key, advance)
    if as_json:
        print(
            json.dumps(
                {
                    "version": 1,
                    "origin": report.origin,
                    "size": report.size,
                    "root": report.root.hex(),
                    "gaps": report.gaps,
                }
            )
        )
    else:
        print(f"{report.origin}: {report.size} entries, root {report.root.hex()}: verified")
        if report.gaps:
            print(
                f"{report.gaps} of the entries are gaps: the stream lost these messages before they were "
                "recorded, and nothing was released for them",
                file=sys.stderr,
            )


def main() -> None:
    run_cli(app)
