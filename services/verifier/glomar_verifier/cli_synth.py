"""`glomar-verifier register synth`: made-up people, and requests about them with the right answers."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from glomar_schemas.errors import Misconfigured


def synth(
    *,
    people: Annotated[int, Parameter(help="how many")] = 10_000,
    out: Annotated[Path | None, Parameter(help="the register's extract, CSV")] = None,
    seed: Annotated[int, Parameter(help="the same seed makes the same people")] = 1,
    requests: Annotated[int, Parameter(help="how many requests about the first of these people")] = 0,
    requests_out: Annotated[Path | None, Parameter(help="the requests file, CSV")] = None,
    truth: Annotated[Path | None, Parameter(help="CSV of reference, right answer and class")] = None,
) -> None:
    """Write synthetic people, requests about them, or both. Nobody in them exists."""
    try:
        from glomar_verifier import synth as made
    except ImportError:
        raise no_numpy("register synth") from None
    _check(people, seed, requests, out, requests_out, truth)
    try:
        if out is not None:
            print(f"{out}: {people} people, {made.write_register(people, seed, out)} address spells")
        if requests_out is not None:
            rows = list(
                made.requests(
                    made.people(people, seed),
                    requests,
                    seed,
                    datetime.now(UTC).date(),
                    per_name=max(1, requests // 500),
                )
            )
            _write(requests_out, made.REQUEST_COLUMNS, rows)
            print(f"{requests_out}: {len(rows)} requests")
            if truth is not None:
                _write(truth, ("reference", *made.TRUTH_COLUMNS), rows)
    except OSError as error:
        raise Misconfigured(f"can't be written ({error.strerror})", where=str(error.filename)) from None


def _check(
    people: int, seed: int, requests: int, out: Path | None, requests_out: Path | None, truth: Path | None
) -> None:
    if out is None and requests_out is None:
        raise Misconfigured("nothing to write", where="register synth", fix="Name --out or --requests-out")
    if people < 1:
        raise Misconfigured("nobody to make", where="--people", fix="Give a number above 0")
    if seed < 0:
        raise Misconfigured("below 0", where="--seed", fix="Give 0 or more")
    if requests_out is not None and requests < 1:
        raise Misconfigured("no request to make", where="--requests", fix="Give a number above 0")
    if requests_out is None and (requests or truth):
        raise Misconfigured(
            "nowhere to write the requests", where="register synth", fix="Name --requests-out"
        )


def no_numpy(where: str) -> Misconfigured:
    """What to say where the generator's libraries, an extra, are absent."""
    return Misconfigured("numpy is not installed", where=where, fix="pip install 'glomar-verifier[synth]'")


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
