"""`glomar-verifier match`, `explain` and `tag`: without a bus, for the record holder's own staff."""

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_runtime.cli import AsJson, print_result, progress
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.files import read, require_distinct
from glomar_schemas.keys import read_secret
from glomar_schemas.messages import Subject

from glomar_verifier.holder_lists.case_roll import read_roll
from glomar_verifier.matching.names import normal_name
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.offline.decide_file import FileDecider, decisions, decisions_file
from glomar_verifier.offline.explain import Explanation
from glomar_verifier.offline.explain import explain as explain_one
from glomar_verifier.offline.request_row import (
    QUERY_COLUMNS,
    Requester,
    default_requester,
    read_query,
    read_request_rows,
)
from glomar_verifier.quotas.tags import Tagger
from glomar_verifier.readers.csv_rows import RowFault
from glomar_verifier.register.open import open_place
from glomar_verifier.settings import VerifierSettings

MAX_FAULTS_SHOWN = 20
MAX_CHARACTERS = 100


def match(
    *,
    db: Annotated[str, Parameter(help="the register: a file, or a postgresql:// URL without a password")],
    requests: Annotated[Path, Parameter(help="a requests file: CSV, or NDJSON (.ndjson, .jsonl)")],
    out: Annotated[Path, Parameter(help="CSV to write: reference, outcome, refusals")],
    agreement: Annotated[
        Path | None, Parameter(help="the agreement: its conditions are checked first")
    ] = None,
    without_agreement: Annotated[
        bool, Parameter(negative="", help="no condition is checked: the bus would not answer so")
    ] = False,
    agency: Annotated[str, Parameter(help="the agency; by default the agreement's first requester")] = "",
    roll: Annotated[
        Path | None, Parameter(help="that agency's case roll; without it, every case counts as open")
    ] = None,
) -> None:
    """Decide a request file without a bus: nothing is signed, counted or recorded, and no key is needed.

    Conditions on quotas hold, as for the first request of each official and person.
    """
    if (agreement is None) != without_agreement:
        raise Misconfigured(
            "one of --agreement and --without-agreement is needed",
            where="match",
            fix="Give the agreement: a confirm without its conditions is not what the bus would answer",
        )
    require_distinct(out, requests, *([] if "://" in db else [Path(db)]))
    rules = load_rules()
    terms = parse_agreement(read(agreement), where=str(agreement)) if agreement else None
    requester = default_requester(terms, agency) if terms else Requester("none")
    register = open_place(db, rules)
    decider = FileDecider(register, rules, terms, requester, read_roll(roll) if roll else None)
    now, totals, faults_shown = datetime.now(UTC), Counter[str](), 0
    with progress("matching") as advance, decisions_file(out) as write:
        for done, (decision, fault) in enumerate(decisions(requests, decider, now), start=1):
            write(decision)
            totals[decision.outcome] += 1
            if fault and faults_shown < MAX_FAULTS_SHOWN:
                faults_shown += 1
                print(
                    f"{requests}: line {fault.line}, {fault.column or 'row'}: {fault.what}", file=sys.stderr
                )
            if done % 500 == 0:
                advance(done, 0)
    register.close()
    print(
        f"{out}: "
        + (", ".join(f"{number} {outcome}" for outcome, number in sorted(totals.items())) or "no row")
    )
    if terms is None:
        print("no agreement was given: no condition was applied", file=sys.stderr)
    elif roll is None:
        print("no case roll was given: every case counted as open", file=sys.stderr)


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
    lines = [f"line {line}: {found.outcome}, {found.reason}"]
    for one in found.near:
        failed = ", ".join(one.failed) or "passes every gate"
        lines.append(f"  {one.person_id} {one.from_year}-{one.to_year}: {failed}")
        for gate in one.gates:
            mark = " " if gate.passes else "!"
            lines.append(f"    {mark} {gate.gate:15} {gate.requested or '-'} | {gate.recorded or '-'}")
    shape = {"line": line, "reason": found.reason, **msgspec.to_builtins(found)}
    print_result(shape, "\n".join(lines), as_json)


def tag(
    *,
    config: Annotated[Path, Parameter(help="the verifier's TOML file")],
    as_json: Annotated[
        bool, Parameter("--json", negative="", help="print JSON, of a versioned shape")
    ] = False,
) -> None:
    """Read a first name and a last name, one line each, and print the person's tag for each agency.

    They are read from stdin: everybody on the machine can see an argument, and the shell stores it.
    """
    settings = load_settings(VerifierSettings, config)
    agreement = settings.load_versions().newest.agreement
    tagger = Tagger(read_secret(settings.tag_key), where=str(settings.tag_key))
    person, rules = _read_name(), load_rules()
    name = normal_name(person.first_name, "", person.last_name, "", rules)
    if not (name.first and name.surname):
        raise Malformed("a name without letters", where="stdin")
    tags = {agency: tagger.person(agency, name) for agency in agreement.requesters}
    print_result({"tags": tags}, "\n".join(f"{agency}  {found}" for agency, found in tags.items()), as_json)


def _read_name() -> Subject:
    """Raises Malformed unless stdin has two lines that are not blank."""
    lines = []
    for prompt in ("first name: ", "last name: "):
        if sys.stdin.isatty():
            print(prompt, end="", file=sys.stderr, flush=True)
        try:
            line = sys.stdin.readline(10 * MAX_CHARACTERS).strip()
        except UnicodeDecodeError:
            raise Malformed("not UTF-8", where="stdin") from None
        if not 0 < len(line) <= MAX_CHARACTERS:
            raise Malformed(f"not 1 to {MAX_CHARACTERS} characters", where=f"stdin, {prompt.strip(': ')}")
        lines.append(line)
    return Subject(first_name=lines[0], last_name=lines[1])
