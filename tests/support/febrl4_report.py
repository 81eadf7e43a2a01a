"""Prints the results of the match on FEBRL 4, and which gate stopped the requests that were not confirmed.

    python -m tests.support.febrl4_report

The figures stand in docs/explanation/matching.md."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from glomar_evaluation.trials.figures import rate
from glomar_verifier.matching.match import Candidates, Query, RegisterRecord, decide, gates
from glomar_verifier.readers.csv_rows import FileRow
from glomar_verifier.register.extract import read_record

from tests.support import febrl4
from tests.support.registers import RULES, opened, query

TODAY = date(2025, 6, 1)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        register = opened(Path(folder), febrl4.register_rows(), febrl4.ADDRESS_FORM)
        everyone = dict(_records())
        confirmed = wrong = absent = sufficient = 0
        stopped: Counter[str] = Counter()
        alone: Counter[str] = Counter()
        for row in febrl4.request_rows(TODAY):
            request = query(row, form=febrl4.ADDRESS_FORM)
            found = register.candidates(request)
            answer = decide(found, request, RULES)
            wrong += answer.outcome == "confirm" and answer.person != row["truth"]
            others = tuple(one for one in found.records if one.person_id != row["truth"])
            absent += decide(Candidates(others), request, RULES).outcome == "confirm"
            if row["klass"] != "sufficient":
                continue
            sufficient += 1
            if answer.outcome == "confirm":
                confirmed += 1
                continue
            failed = _failed(request, everyone.get(row["truth"]))
            stopped.update(failed)
            if len(failed) == 1:
                alone.update(failed)
        register.close()
    recall = rate(confirmed, sufficient)
    print(f"recall {confirmed} of {sufficient}: {recall.value:.1%} ({recall.low:.1%} to {recall.high:.1%})")
    print(f"false confirms {wrong} of 5000, of absent people {absent} of 5000")
    for gate, number in stopped.most_common():
        print(f"  {gate:20} {number:5}  alone {alone[gate]:5}")


def _records() -> Iterator[tuple[str, RegisterRecord]]:
    """Person id -> record, without those that the register leaves out since their first name is blank."""
    for line, row in enumerate(febrl4.register_rows(), start=2):
        found = read_record(FileRow(line, 0, row), RULES, febrl4.ADDRESS_FORM)
        if isinstance(found, RegisterRecord):
            yield found.person_id, found


def _failed(request: Query, meant: RegisterRecord | None) -> tuple[str, ...]:
    return gates(request, meant, RULES) if meant else ("not in the register",)


if __name__ == "__main__":
    main()
