"""`glomar-auditor`: serve the auditor, verify and publish a ledger. Data on stdout, messages on stderr."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import App, Parameter
from glomar_runtime import service
from glomar_runtime.cli import AsJson, print_result, progress, run_cli
from glomar_runtime.cli_receipt import verify_receipt
from glomar_runtime.settings import load_settings
from glomar_schemas.tlog.client import signed_by

from glomar_auditor.app import build_app
from glomar_auditor.controls.cli import agreements
from glomar_auditor.controls.cli import app as control
from glomar_auditor.index.cli import find, rebuild_index, show
from glomar_auditor.ledger import mirror
from glomar_auditor.ledger.archive import verify_archive
from glomar_auditor.ledger.cli import archive, incarnation
from glomar_auditor.ledger.fsck import verify as verify_ledger
from glomar_auditor.monitoring.cli import evidence, monitor, trusted_key
from glomar_auditor.reports.cli import accounting, report
from glomar_auditor.settings import AuditorSettings

app = App("glomar-auditor", help="The oversight body's side of Glomar: the ledger, receipts and releases.")
app.command(control)
app.command(agreements)
app.command(monitor)
app.command(evidence)
app.command(verify_receipt)
app.command(rebuild_index)
app.command(find, name="search")
app.command(show)
app.command(report)
app.command(accounting)
app.command(archive)
app.command(incarnation)


@app.command
def serve(*, config: Annotated[Path, Parameter(help="the auditor's TOML file")]) -> None:
    """Record every message of the stream, and release verdicts with their receipts, until stopped."""
    settings = load_settings(AuditorSettings, config)
    service.run("glomar-auditor", settings, lambda stop: build_app(settings, stop))


@app.command
def verify(
    directory: Annotated[Path, Parameter(help="a ledger directory, or an archive of a ledger")],
    *,
    vkey: Annotated[Path, Parameter(help="the log's public key, as the oversight body published it")],
    as_json: AsJson = False,
) -> None:
    """Recompute the whole ledger from its entries and compare. Exit code 6 if anything differs."""
    key = trusted_key(vkey)
    with progress("verifying") as advance, TemporaryDirectory() as scratch:
        if directory.is_file():
            report = verify_archive(directory, Path(scratch), key, advance)
        else:
            report = verify_ledger(directory, key, advance)
    shape = {
        "origin": report.origin,
        "size": report.size,
        "root": report.root.hex(),
        "gaps": report.gaps,
        "cosigned_size": report.cosigned,
    }
    print_result(
        shape, f"{report.origin}: {report.size} entries, root {report.root.hex()}: verified", as_json
    )
    if report.cosigned and not as_json:
        print(f"the first {report.cosigned} are those that were given to witnesses", file=sys.stderr)
    if report.gaps and not as_json:
        print(
            f"{report.gaps} entries are gaps: the stream lost these messages before they were recorded, "
            "and nothing was released for them",
            file=sys.stderr,
        )


@app.command
def publish(
    directory: Annotated[Path, Parameter(help="the ledger directory, also while its auditor runs")],
    *,
    to: Annotated[Path, Parameter(help="the copy, for a web server or a bucket")],
    vkey: Annotated[
        Path | None, Parameter(help="the log's public key; DIRECTORY/log.vkey by default")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Update a copy of the published files, its checkpoint last. Exit code 6 if the copy would fork."""
    key = trusted_key(vkey or directory / "log.vkey")
    copied = mirror.publish(directory, to, signed_by([key]))
    shape = {"origin": copied.origin, "size": copied.size, "files": copied.files}
    print_result(
        shape, f"{copied.origin}: {copied.size} entries are in {to}, {copied.files} files written", as_json
    )


def main() -> None:
    run_cli(app)
