"""`glomar-verifier explain`: why a request is confirmed or denied, for the record holder's own staff."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.messages import Subject

from glomar_verifier.matching.rules import load_rules
from glomar_verifier.offline.explain import Explanation
from glomar_verifier.offline.explain import explain as explain_one
from glomar_verifier.offline.request_row import QUERY_COLUMNS, read_query, read_request_rows
from glomar_verifier.readers.csv_rows import RowFault
from glomar_verifier.register.open import open_place

AsJson = Annotated[bool, Parameter("--json", help="print JSON")]


def explain(
    *fields: Annotated[str, Parameter(help="instead of a file: column=value, as in a request file")],
    db: Annotated[str, Parameter(help="the register: a file, or a postgresql:// URL without a password")],
    request: Annotated[Path | None, Parameter(help="a request file: CSV, or NDJSON by its name")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which gates each person near a request fails, and what each gate compares: the request's side, then
    the register's, both in normal form. For the record holder's staff only."""
    if request is not None and fields:
        raise Misconfigured("a file and columns at once", where="explain", fix="Give one of them")
    rules = load_rules()
    register = open_place(db, rules)
    try:
        for line, (particulars, tax_periods) in _queries(request, fields):
            _print(line, explain_one(register, particulars, tax_periods, rules), as_json)
    finally:
        register.close()
    print("no condition of an agreement was applied", file=sys.stderr)


def _queries(
    request: Path | None, fields: tuple[str, ...]
) -> Iterator[tuple[int, tuple[Subject, tuple[int, ...]]]]:
    """(line of the file, or 1; particulars and tax periods)."""
    if request is None:
        given = dict(field.partition("=")[::2] for field in fields)
        unknown = set(given) - set(QUERY_COLUMNS)
        if unknown or not given:
            raise Misconfigured("no request", where="explain", fix=f"Columns: {', '.join(QUERY_COLUMNS)}")
        yield 1, read_query(given)
        return
    required = ("first_name", "last_name", "zip")
    for row in read_request_rows(request, required):
        if isinstance(row, RowFault):
            raise Malformed(row.what, where=f"{request}, line {row.line}")
        yield row.line, read_query(row.fields)


def _print(line: int, found: Explanation, as_json: bool) -> None:
    if as_json:
        answer = {"version": 1, "line": line, "reason": found.reason, **msgspec.to_builtins(found)}
        print(json.dumps(answer))
        return
    print(f"line {line}: {found.outcome}, {found.reason}")
    for one in found.near:
        failed = ", ".join(one.failed) or "passes every gate"
        print(f"  {one.person_id} {one.from_year}-{one.to_year}: {failed}")
        for gate in one.gates:
            mark = " " if gate.passes else "!"
            print(f"    {mark} {gate.gate:15} {gate.requested or '-'} | {gate.recorded or '-'}")
