"""`glomar-verifier match`: the verifier's answers to a request file, for the record holder's own staff."""

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from glomar_runtime.cli import progress
from glomar_schemas.agreement.model import Agreement, parse_agreement
from glomar_schemas.errors import Misconfigured

from glomar_verifier.holder_lists.case_roll import read_roll
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.offline.decide_file import FileDecider, decisions, decisions_file
from glomar_verifier.offline.request_row import Requester, default_requester
from glomar_verifier.register.open import open_place

MAX_FAULTS_SHOWN = 20


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
    rules = load_rules()
    terms = _agreement(agreement)
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


def _agreement(path: Path | None) -> Agreement | None:
    if path is None:
        return None
    try:
        return parse_agreement(path.read_bytes(), where=str(path))
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(path)) from None
