"""`glomar-verifier`: serve; registers, case rolls, veto lists, epochs. stdout: data, stderr: messages."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from glomar_runtime import service
from glomar_runtime.cli import AsJson, print_result, progress, run_cli
from glomar_runtime.settings import load_settings
from glomar_schemas.errors import Refused

from glomar_verifier.agreement import cli as cli_agreement
from glomar_verifier.app import build_app
from glomar_verifier.epochs.cli import app as epoch
from glomar_verifier.holder_lists.case_roll import read_roll
from glomar_verifier.holder_lists.veto import install as install_veto
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.offline.cli import explain, match, tag
from glomar_verifier.recalls.cli import recall, recalls
from glomar_verifier.register.build import build_into
from glomar_verifier.register.left_out import LeftOutRows, left_out_rows
from glomar_verifier.register.open import is_server, open_place
from glomar_verifier.settings import VerifierSettings

app = App("glomar-verifier", help="The record holder's service of Glomar: the gate, the match, the verdict.")
register = App("register", help="Build and check registers.")
roll = App("roll", help="Check case rolls.")
veto = App("veto", help="People about whom the record holder discloses nothing (26 U.S.C. 6103(i)(6)).")
app.command(register)
app.command(roll)
app.command(cli_agreement.app)
app.command(match)
app.command(veto)
app.command(epoch)
app.command(recall)
app.command(recalls)
app.command(explain)
app.command(tag)


@app.command
def serve(*, config: Annotated[Path, Parameter(help="the verifier's TOML file")]) -> None:
    """Answer each request with one signed verdict, until stopped."""
    settings = load_settings(VerifierSettings, config)
    service.run("glomar-verifier", settings, lambda stop: build_app(settings, stop))


@register.command
def build(
    source: Annotated[
        Path, Parameter(help="CSV, or NDJSON (.ndjson, .jsonl): one row for each address of a person")
    ],
    *,
    db: Annotated[str, Parameter(help="the register: a file, or a postgresql:// URL without a password")],
    left_out: Annotated[
        Path | None,
        Parameter(help="CSV to write: every row that is left out; by default beside a register file"),
    ] = None,
    max_left_out: Annotated[
        float, Parameter(help="percent of the rows; the build stops if it would leave out more")
    ] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Build a register from an extract, and replace the old register atomically.

    Bad rows are left out and reported by cause. A failed build keeps the old register; a running verifier
    loads the new one.
    """
    file = left_out or (None if is_server(db) else Path(f"{db}.left-out.csv"))
    with left_out_rows(file) as bad:
        try:
            with progress("building") as advance:
                report = build_into(
                    db,
                    source,
                    load_rules(),
                    progress=lambda what, done, of: advance(done, of),
                    left_out=bad,
                    max_left_out=max_left_out / 100,
                )
        finally:
            if not as_json:
                _print_left_out(source, bad, file)
    shape = {
        "people": report.people,
        "spells": report.spells,
        "rows_left_out": report.rows_left_out,
        "faults": msgspec.to_builtins(report.faults),
        "digest": report.digest,
    }
    text = f"{db}: {report.people} people, {report.spells} spells, {report.rows_left_out} rows left out"
    print_result(shape, text, as_json)


def _print_left_out(source: Path, left_out: LeftOutRows, file: Path | None) -> None:
    for cause in left_out.causes():
        lines = ", ".join(map(str, cause.lines)) + (" …" if cause.rows > len(cause.lines) else "")
        word = "line" if cause.rows == 1 else "lines"
        print(f"{source}: {cause.rows} left out, {cause.column or 'row'}: {cause.what}; {word} {lines}")
    if left_out.rows and file:
        print(f"{file}: every row that is left out")


@register.command(name="check")
def check_register(
    *,
    db: Annotated[str, Parameter(help="the register: a file, or a postgresql:// URL without a password")],
    as_json: AsJson = False,
) -> None:
    """Compare every row of a register with the digests of its build. Exit code 6 if one differs.

    Opening a register checks less: the number of rows and a few parts chosen at random.
    """
    opened = open_place(db, load_rules())
    try:
        with progress("checking") as advance:
            opened.verify(advance)
        info = opened.info()
    finally:
        opened.close()
    text = f"{db}: {info.people} people, {info.spells} spells, all as built; digest {info.digest}"
    print_result(msgspec.to_builtins(info), text, as_json)


@veto.command
def install(
    source: Annotated[Path, Parameter(help="CSV: person_id, since, and reason, which is never shown")],
    *,
    to: Annotated[Path, Parameter(help="the list in the verifier's settings; replaced atomically")],
    as_json: AsJson = False,
) -> None:
    """Put a veto list in force; the verifier may run. With a bad row the old list stays (exit code 3)."""
    checked = install_veto(source, to)
    people, faults = len(checked.veto), checked.faults
    if as_json:
        shown = msgspec.to_builtins(faults)
        print(json.dumps({"version": 1, "installed": not faults, "people": people, "faults": shown}))
    else:
        for fault in faults:
            print(f"{source}: line {fault.line}, {fault.column or 'row'}: {fault.what}")
    if faults:
        what = f"{len(faults)} bad rows; nothing was installed"
        raise Refused(what, where=str(source), fix="Correct the rows; the old list stays in force")
    if not as_json:
        print(f"{to}: {people} people")


@roll.command(name="check")
def check_roll(file: Annotated[Path, Parameter(help="CSV, one row for each case and officer")]) -> None:
    """Read a case roll as the verifier does, and report bad lines. Exit code 3 if there is one."""
    print(f"{file}: {len(read_roll(file))} rows, each with a case and an officer")


def main() -> None:
    run_cli(app)
