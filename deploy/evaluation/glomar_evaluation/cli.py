"""`glomar synth` and `glomar evaluate`: writes synthetic people, and measures the match on them."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_runtime.cli import AsJson, progress
from glomar_schemas.errors import Misconfigured
from glomar_schemas.files import replace, replacing_text, require_distinct
from glomar_schemas.request_file import COLUMNS
from glomar_verifier.matching.rules import load_rules

from glomar_evaluation import synth as made
from glomar_evaluation.trials.page import page, table
from glomar_evaluation.trials.run import evaluate as run_evaluation


def synth(
    *,
    people: Annotated[int, Parameter(help="how many")] = 10_000,
    out: Annotated[Path | None, Parameter(help="the register's extract, CSV")] = None,
    seed: Annotated[int, Parameter(help="the same seed makes the same people")] = 1,
    requests: Annotated[int, Parameter(help="how many requests about the first of these people")] = 0,
    requests_out: Annotated[Path | None, Parameter(help="the requests file, CSV")] = None,
    truth: Annotated[Path | None, Parameter(help="CSV of reference, right answer and class")] = None,
) -> None:
    """Write synthetic people, requests about them, or both. None of these people exists."""
    _check(people, seed, requests, out, requests_out, truth)
    if out is not None:
        print(f"{out}: {people} people, {made.write_register(people, seed, out)} address spells")
    if requests_out is not None:
        today, per_name = datetime.now(UTC).date(), max(1, requests // 500)
        rows = list(made.requests(made.people(people, seed), requests, seed, today, per_name=per_name))
        _write(requests_out, COLUMNS, rows)
        fewer = f" of {requests}: the people's names allow no more" if len(rows) < requests else ""
        print(f"{requests_out}: {len(rows)} requests{fewer}")
        if truth is not None:
            _write(truth, ("reference", *made.TRUTH_COLUMNS), rows)


def _check(
    people: int, seed: int, requests: int, out: Path | None, requests_out: Path | None, truth: Path | None
) -> None:
    if out is None and requests_out is None:
        raise Misconfigured("nothing to write", where="synth", fix="Name --out or --requests-out")
    if people < 1:
        raise Misconfigured("no person to make", where="--people", fix="Give a number above 0")
    if seed < 0:
        raise Misconfigured("below 0", where="--seed", fix="Give 0 or more")
    if requests_out is not None and requests < 1:
        raise Misconfigured("no request to make", where="--requests", fix="Give a number above 0")
    if requests_out is None and (requests or truth):
        raise Misconfigured("nowhere to write the requests", where="synth", fix="Name --requests-out")
    given = [path for path in (out, requests_out, truth) if path is not None]
    for at, path in enumerate(given):
        require_distinct(path, *given[:at])


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with replacing_text(path, mode=0o644) as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def evaluate(
    *,
    people: Annotated[int, Parameter(help="synthetic people to ask about, five requests each")] = 10_000,
    seed: int = 1,
    html: Annotated[Path | None, Parameter(help="also write the report as a page with plots")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure precision and recall on synthetic people, by kind of request and by name group."""
    if people < 1:
        raise Misconfigured("no person to ask about", where="--people", fix="Give a number above 0")
    if seed < 0:
        raise Misconfigured("below 0", where="--seed", fix="Give 0 or more")
    with progress("evaluating") as advance:
        report = run_evaluation(people, seed, load_rules(), lambda done: advance(done, people))
    if html is not None:
        replace(html, page(report).encode(), mode=0o644)
    print(json.dumps(msgspec.to_builtins(report)) if as_json else table(report))
