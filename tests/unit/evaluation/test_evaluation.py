"""The measured errors of the matching, on few people here and on many in docs/explanation/matching.md."""

import json
import re
from html.parser import HTMLParser
from math import isclose
from pathlib import Path

import msgspec
import pytest
from glomar_evaluation.cli import evaluate as command
from glomar_evaluation.trials.figures import EvaluationReport, OutcomeCounter, rate
from glomar_evaluation.trials.negatives import NEGATIVES
from glomar_evaluation.trials.page import page, table
from glomar_evaluation.trials.positives import POSITIVES
from glomar_evaluation.trials.run import UNLISTED, NameGroups, evaluate

from tests.support.registers import RULES

PEOPLE, SEED = 2_000, 11


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    return evaluate(PEOPLE, SEED, RULES)


@pytest.fixture(scope="module")
def small() -> EvaluationReport:
    return evaluate(60, 3, RULES)


def test_no_hard_negative_is_confirmed(report: EvaluationReport) -> None:
    assert report.false_confirms.trials > 3 * PEOPLE
    wrong = {name: rate.hits for name, rate in report.negative_classes.items() if rate.hits}
    assert wrong == {}


def test_ninety_five_of_a_hundred_true_requests_are_confirmed(report: EvaluationReport) -> None:
    assert report.recall.value >= 0.95
    # Without a typing error, only a person of the same name in the household prevents a confirm.
    exact = [found.value for name, found in report.classes.items() if not name.startswith("typo")]
    assert min(exact) >= 0.95


def test_no_large_name_group_is_served_much_worse(report: EvaluationReport) -> None:
    """docs/explanation/matching.md has the figure from many people."""
    assert len(report.groups) >= 4
    assert report.gap <= 2


def test_every_kind_is_tried(report: EvaluationReport) -> None:
    assert set(report.classes) == {kind.name for kind in POSITIVES}
    tried = set(report.negative_classes)
    assert {kind.name for kind in NEGATIVES} | {"household member not on file"} == tried


def test_the_same_seed_makes_the_same_report(small: EvaluationReport) -> None:
    assert evaluate(60, 3, RULES) == small != evaluate(60, 4, RULES)


def test_bounds_are_wilsons_and_of_none_the_rule_of_three() -> None:
    # Newcombe 1998, table I: 81 of 263.
    found = rate(81, 263)
    assert isclose(found.low, 0.2553, abs_tol=5e-5) and isclose(found.high, 0.3662, abs_tol=5e-5)
    assert isclose(rate(0, 300_000).high, 1e-5, rel_tol=0.01)
    assert rate(0, 300_000).low == 0.0
    assert (rate(0, 0).low, rate(0, 0).high, rate(0, 0).value) == (0.0, 1.0, 0.0)


def test_a_tally_counts_by_kind_and_group_and_sees_the_gap() -> None:
    counter = OutcomeCounter()
    for confirmed in range(1_000):
        counter.add(
            "confirm", "plain", "a", confirmed=confirmed >= 100, gates=("unit",) if confirmed < 100 else ()
        )
        counter.add("confirm", "plain", "b", confirmed=True)
        counter.add("deny", "next house", "a", confirmed=confirmed == 0)
    report = counter.report(rules="r", seed=1, people=2)
    assert (report.recall.hits, report.recall.trials) == (1_900, 2_000)
    assert (report.false_confirms.hits, report.precision.trials) == (1, 1_901)
    assert isclose(report.gap, 10.0) and report.gates == {"unit": 100}


def test_a_surnames_group_is_that_of_most_of_its_bearers() -> None:
    groups = NameGroups.load()
    assert groups.of("García López") == groups.of("GARCIA") == "hispanic"
    assert groups.of("Nguyen") == "asian or pacific"
    assert groups.of("Begay") == "native american"
    assert groups.of("Qxvandopoulos") == UNLISTED


class _Page(HTMLParser):
    """Collects tags, and every address that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data")]


def test_the_page_plots_and_fetches_nothing(report: EvaluationReport) -> None:
    html = page(report)
    parsed = _Page()
    parsed.feed(html)
    assert {"svg", "circle", "table"} <= parsed.tags and not {"script", "link", "img"} & parsed.tags
    assert parsed.fetched == [] and not re.search(r"url\(|@import|https?:", html)
    assert all(name.replace("'", "&#39;") in html for name in (*report.classes, *report.groups))


def test_the_command_prints_table_or_json_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small: EvaluationReport
) -> None:
    command(people=60, seed=3, html=tmp_path / "report.html")
    assert capsys.readouterr().out.strip() == table(small).strip()
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")
    command(people=60, seed=3, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["version"] == 1
    assert msgspec.convert(printed, EvaluationReport) == small
