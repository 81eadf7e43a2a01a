"""Makes people, builds a register of most of them, and asks about all.

One of each larger household is left out of the register, so that the absent are relatives of those on file.
"""

import contextlib
import csv
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from glomar_schemas.errors import Malformed
from glomar_schemas.request_file import Ask, particulars_of
from glomar_verifier.matching.match import decide, gates
from glomar_verifier.matching.normalise import fold
from glomar_verifier.matching.query import normal_query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.register import Register
from glomar_verifier.register.build import build
from glomar_verifier.register.extract import COLUMNS
from glomar_verifier.register.sqlite import open_register

from glomar_evaluation.synth import people
from glomar_evaluation.trials.figures import Report, Tally
from glomar_evaluation.trials.groups import Groups
from glomar_evaluation.trials.negatives import ABSENT, NEGATIVES
from glomar_evaluation.trials.positives import POSITIVES
from glomar_evaluation.trials.trials import KnownNames, Row, Subject, Trial, trials

POSITIVES_EACH, NEGATIVES_EACH = 1, 4
LEFT_OUT_SHARE = 0.25
AT_HOME = ("street_number", "street_name", "unit", "po_box", "zip")

Household = list[list[Row]]
Progress = Callable[[int], None]


def evaluate(number: int, seed: int, rules: Rules, progress: Progress | None = None) -> Report:
    """About one true request and four negatives for each of `number` people; the same seed, the same report.

    `progress(people)` is called for each household. Raises Misconfigured if there is no space for the
    register, which is thrown away.
    """
    dice = random.Random(seed)  # noqa: S311 (reproducible test data, no secret)
    with tempfile.TemporaryDirectory(prefix="glomar-evaluate-") as folder:
        homes = [(home, _left_out(home, dice)) for home in households(number, seed)]
        on_file = [row for home, absent in homes for spells in home if spells is not absent for row in spells]
        source, target = Path(folder) / "register.csv", Path(folder) / "register.db"
        _write(on_file, source)
        build(source, target, rules)
        register = open_register(target, rules)
        try:
            tally = _run(homes, _Court(register, rules, {_who(row) for row in on_file}), dice, progress)
        finally:
            register.close()
    return tally.report(rules=rules.label, seed=seed, people=number)


def households(number: int, seed: int) -> Iterator[Household]:
    """The generator's people, each with their rows, by the newest address."""
    rows: Iterator[Row] = people(number, seed)
    everyone = [list(spells) for _, spells in groupby(rows, key=lambda row: row["person_id"])]
    for _, home in groupby(everyone, key=lambda spells: [spells[-1][column] for column in AT_HOME]):
        yield list(home)


def _write(rows: Sequence[Row], out: Path) -> None:
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _left_out(home: Household, dice: random.Random) -> list[Row] | None:
    return dice.choice(home) if len(home) > 1 and dice.random() < LEFT_OUT_SHARE else None


def _run(
    homes: Sequence[tuple[Household, list[Row] | None]],
    court: "_Court",
    dice: random.Random,
    progress: Progress | None,
) -> Tally:
    done, known = 0, KnownNames.of(court.rules)
    for home, absent in homes:
        there = [spells[-1] for spells in home if spells is not absent]
        for spells in home:
            others = [row for row in there if row is not spells[-1]]
            crowded = len(home) >= court.rules.crowded_people
            subject = Subject(spells, others, dice, known, crowded)
            if spells is absent:
                court.try_all(trials(subject, (ABSENT,), 1), subject)
            else:
                court.try_all(trials(subject, POSITIVES, POSITIVES_EACH), subject)
                court.try_all(trials(subject, NEGATIVES, NEGATIVES_EACH), subject)
        done += len(home)
        if progress:
            progress(done)
    return court.tally


class _Court:
    """Puts each trial to the register and counts."""

    def __init__(self, register: Register, rules: Rules, residents: set[tuple[str, ...]]) -> None:
        self.rules = rules
        self.tally = Tally()
        self._register = register
        self._residents = residents
        self._groups = Groups.load()

    def try_all(self, cases: Iterator[Trial], subject: Subject) -> None:
        own = {_who(row) for row in subject.spells}
        for case in cases:
            asked = _who_is_asked(case.asked)
            if case.truth == "deny" and asked in self._residents and asked not in own:
                # Someone of this very name lives there: no negative.
                continue
            self._try(case, subject)

    def _try(self, case: Trial, subject: Subject) -> None:
        confirmed, failed = False, ["no normal form"]
        with contextlib.suppress(Malformed):
            query = normal_query(particulars_of(case.asked), case.asked.tax_periods, self.rules, "us")
            found = self._register.candidates(query)
            confirmed = decide(found, query, self.rules).outcome == "confirm"
            mine = [one for one in found.records if one.person_id == subject.row["person_id"]]
            # Of several addresses, the one that came nearest.
            nearest = min((gates(query, one, self.rules) for one in mine), key=len, default=("not found",))
            failed = list(nearest) or ["not the only one"]
        self.tally.add(
            case.truth,
            case.klass,
            self._groups.of(case.surname),
            confirmed=confirmed,
            gates=failed if case.truth == "confirm" and not confirmed else (),
        )


def _who(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(fold(row[column], column) for column in ("first_name", "last_name", *AT_HOME))


def _who_is_asked(asked: Ask) -> tuple[str, ...]:
    return tuple(fold(getattr(asked, column), column) for column in ("first_name", "last_name", *AT_HOME))
