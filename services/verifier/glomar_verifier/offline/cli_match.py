"""`glomar-verifier match`: what the verifier would answer to a requests file, for the holder's own staff."""

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
from glomar_verifier.offline.decide_file import DecisionsFile, Offline, decisions
from glomar_verifier.offline.request_row import Asker, default_asker
from glomar_verifier.register.open import open_place

FAULTS_TOLD = 20


def match(
    *,
    db: Annotated[str, Parameter(help="the register: a file, or a postgresql:// URL without a password")],
    requests: Annotated[Path, Parameter(help="a requests file: CSV, or NDJSON (.ndjson, .jsonl)")],
    out: Annotated[Path, Parameter(help="CSV to write: reference, outcome, refusals")],
    agreement: Annotated[
        Path | None, Parameter(help="its conditions come first; without it, no gate")
    ] = None,
    agency: Annotated[str, Parameter(help="who asks; by default the agreement's first requester")] = "",
    roll: Annotated[
        Path | None, Parameter(help="that agency's case roll; without it, cases count as open")
    ] = None,
) -> None:
    """Decide a requests file without a bus: nothing is signed, counted or recorded, and no key is needed.

    Conditions on quotas hold, as for the first request of everybody.
    """
    rules = load_rules()
    law = _agreement(agreement)
    asker = default_asker(law, agency) if law else Asker("none", "", "")
    register = open_place(db, rules)
    offline = Offline(register, rules, law, asker, read_roll(roll) if roll else None)
    now, totals, told = datetime.now(UTC), Counter[str](), 0
    with progress("matching") as advance, DecisionsFile(out) as file:
        for done, (decision, fault) in enumerate(decisions(requests, offline, now), start=1):
            file.write(decision)
            totals[decision.outcome] += 1
            if fault and told < FAULTS_TOLD:
                told += 1
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
    if law and roll is None:
        print("no case roll was given: every case counted as open", file=sys.stderr)


def _agreement(path: Path | None) -> Agreement | None:
    if path is None:
        return None
    try:
        return parse_agreement(path.read_bytes(), where=str(path))
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(path)) from None
