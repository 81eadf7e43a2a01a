"""Makes people, builds a register of most of them, and makes trials about all of them.

From a quarter of the larger households one person is left out of the register: a relative of people in it.
"""

import contextlib
import csv
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

import msgspec
from anyascii import anyascii
from glomar_schemas.errors import Malformed
from glomar_schemas.request_file import Ask, particulars_of
from glomar_verifier.matching.match import decide, gates, normal_query
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.text import fold
from glomar_verifier.register import Register
from glomar_verifier.register.build import build
from glomar_verifier.register.extract import COLUMNS
from glomar_verifier.register.sqlite import open_register

from glomar_evaluation.trials.figures import EvaluationReport, OutcomeCounter
from glomar_evaluation.trials.homes import ADDRESS_COLUMNS, Home, Spells, homes
from glomar_evaluation.trials.negatives import ABSENT, NEGATIVES
from glomar_evaluation.trials.positives import AS_REGISTERED, POSITIVES
from glomar_evaluation.trials.trials import Row, Trial, TrialPerson, trials

POSITIVES_EACH, NEGATIVES_EACH = 1, 4
LEFT_OUT_SHARE = 0.25

Progress = Callable[[int], None]

UNLISTED = "rare surname"


def evaluate(number: int, seed: int, rules: Rules, progress: Progress | None = None) -> EvaluationReport:
    """About one true request and four negatives a person. The same seed gives the same report.

    progress(people) is called after each household. Raises Misconfigured if there is no space for the
    temporary register.
    """
    rng = random.Random(seed)  # noqa: S311 (reproducible test data, no secret)
    with tempfile.TemporaryDirectory(prefix="glomar-evaluate-") as folder:
        everyone = [(home, _left_out(home.members, rng)) for home in homes(number, seed, rng)]
        on_file = [
            row
            for home, absent in everyone
            for spells in home.members
            if spells is not absent
            for row in spells
        ]
        source, target = Path(folder) / "register.csv", Path(folder) / "register.db"
        _write(on_file, source)
        build(source, target, rules)
        register = open_register(target, rules)
        try:
            counter = _run(
                everyone, _TrialRunner(register, rules, {_key(row) for row in on_file}), rng, progress
            )
        finally:
            register.close()
    return counter.report(rules=rules.label, seed=seed, people=number)


def _write(rows: Sequence[Row], out: Path) -> None:
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _left_out(members: Sequence[Spells], rng: random.Random) -> Spells | None:
    return rng.choice(members) if len(members) > 1 and rng.random() < LEFT_OUT_SHARE else None


def _run(
    everyone: Sequence[tuple[Home, Spells | None]],
    runner: "_TrialRunner",
    rng: random.Random,
    progress: Progress | None,
) -> OutcomeCounter:
    done = 0
    for home, absent in everyone:
        there = [spells[-1] for spells in home.members if spells is not absent]
        for spells in home.members:
            others = [row for row in there if row is not spells[-1]]
            crowded = len(home.members) >= runner.rules.crowded_people
            group = home.origin or runner.groups.of(spells[-1]["last_name"])
            person = TrialPerson(spells, others, rng, runner.rules, crowded, group, home.form)
            if spells is absent:
                runner.try_all(trials(person, (ABSENT,), 1), person)
            else:
                runner.try_all(trials(person, POSITIVES, POSITIVES_EACH, AS_REGISTERED), person)
                runner.try_all(trials(person, NEGATIVES, NEGATIVES_EACH), person)
        done += len(home.members)
        if progress:
            progress(done)
    return runner.counter


class _TrialRunner:
    """Runs trials against the register and counts their outcomes."""

    def __init__(self, register: Register, rules: Rules, residents: set[tuple[str, ...]]) -> None:
        self.rules = rules
        self.counter = OutcomeCounter()
        self._register = register
        self._residents = residents
        self.groups = NameGroups.load()

    def try_all(self, cases: Iterator[Trial], person: TrialPerson) -> None:
        own = {_key(row) for row in person.spells}
        for case in cases:
            request: tuple[str, ...] = ()
            with contextlib.suppress(Malformed):
                request = _key_of_request(case.request)
            if case.truth == "deny" and request in self._residents and request not in own:
                # Another person of this name lives there: this is no negative.
                continue
            self._try(case, person)

    def _try(self, case: Trial, person: TrialPerson) -> None:
        confirmed, failed = False, ["no normal form"]
        with contextlib.suppress(Malformed):
            query = normal_query(particulars_of(case.request), case.request.tax_periods, self.rules, "us")
            found = self._register.candidates(query)
            confirmed = decide(found, query, self.rules).outcome == "confirm"
            mine = [one for one in found.records if one.person_id == person.row["person_id"]]
            # Of several addresses, the one that failed the fewest gates.
            nearest = min((gates(query, one, self.rules) for one in mine), key=len, default=("not found",))
            failed = list(nearest) or ["not the only one"]
        self.counter.add(
            case.truth,
            case.kind,
            case.group,
            confirmed=confirmed,
            gates=failed if case.truth == "confirm" and not confirmed else (),
        )


def _key(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(fold(row[column], column) for column in ("first_name", "last_name", *ADDRESS_COLUMNS))


def _key_of_request(request: Ask) -> tuple[str, ...]:
    columns = ("first_name", "last_name", *ADDRESS_COLUMNS)
    return tuple(fold(getattr(request, column) or "", column) for column in columns)


class NameGroups(msgspec.Struct, frozen=True):
    """Name groups, to see whether the rule serves some people worse than others.

    The group of a surname is the one to which at least half of its bearers counted themselves in the census
    of 2020. This is the usual proxy where nobody's own answer is known. It says nothing about any one person.
    """

    by_surname: Mapping[str, str]

    @classmethod
    def load(cls) -> "NameGroups":
        """From the package's file. Each line has a group's name, a colon and surnames."""
        text = (resources.files("glomar_evaluation") / "trials" / "name_groups.txt").read_text()
        lines = [line.partition(":") for line in text.splitlines() if not line.startswith("#")]
        return cls({name: group for group, _, names in lines for name in names.split()})

    def of(self, surname: str) -> str:
        """The group of the first listed token: of two surnames, the father's comes first."""
        tokens = anyascii(surname).upper().replace("-", " ").split()
        return next((self.by_surname[token] for token in tokens if token in self.by_surname), UNLISTED)
