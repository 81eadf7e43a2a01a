"""Every fault in an agreement's text is found, with the line in which it must be corrected."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from glomar_verifier.agreement.lint import LintFinding, lint

from tests.support.model_request import AGREEMENT_FILE
from tests.support.registers import RULES

TEXT = AGREEMENT_FILE.read_text()
BUNDLED = sorted(AGREEMENT_FILE.parent.parent.glob("*/agreement.toml"))


def changed(changes: Mapping[str, str]) -> str:
    text = TEXT
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def found_in(text: str) -> list[LintFinding]:
    return lint(text.encode(), RULES)[1]


def line_with(text: str, words: str) -> int:
    """The number of the one line with these words."""
    (line,) = [number for number, line in enumerate(text.splitlines(), start=1) if words in line]
    return line


@pytest.mark.parametrize("file", BUNDLED, ids=lambda file: file.parent.name)
def test_no_bundled_agreement_has_a_fault(file: Path) -> None:
    assert len(BUNDLED) >= 2
    agreement, findings = lint(file.read_bytes(), RULES)
    assert agreement is not None and findings == []


# (the change, a word of the line that must be corrected, the message)
CASES = {
    "TOML": ({"version = 1": "version = "}, "version = ", "not TOML: Invalid value"),
    "an open string": ({'holder = "irs"': 'holder = "irs'}, 'holder = "irs', "not TOML"),
    "unknown field": ({"version = 1": "version = 1\nvershion = 2"}, "vershion", "unknown field"),
    "unknown field inside": (
        {'{ id = "OFF-017", ': '{ id = "OFF-017", rank = 1, '}, "OFF-017", "unknown field"
    ),
    "wrong type": ({"window_days = 30": 'window_days = "30"'}, "window_days =", "Expected `int`, got `str`"),
    "negative": ({"window_days = 30": "window_days = -1"}, "window_days =", ">= 0"),
    "empty citation": ({'citation = "8 U.S.C. 1253(a)"': 'citation = ""'}, 'citation = ""', "length >= 1"),
    "blank citation": ({'citation = "8 U.S.C. 1253(a)"': 'citation = " "'}, 'citation = " "', "blank"),
    "duplicate condition": ({'id = "L8"': 'id = "L7"'}, "", "the same id as another"),
    "duplicate officer": ({'id = "OFF-017"': 'id = "OFF-016"'}, "", "the same id as another"),
    "condition id": ({'id = "L8"': 'id = "sole use"'}, 'id = "sole use"', "matching regex"),
    "CEL": (
        {"  particulars.wilfulness_attested == true &&": "  particulars.wilfulness_attested === true &&"},
        "===", "not CEL: Syntax error",
    ),
    "field in CEL": ({"facts.case_open &&": "facts.opened &&"}, "facts.opened", "facts has no field opened"),
    "function in CEL": ({"days_between(later": "days_betwixt(later"}, "days_betwixt", "unknown function"),
    "variable in CEL": ({"year < year_of": "yaer < year_of"}, "yaer <", "unknown variable yaer"),
    "whole table in CEL": (
        {"!facts.id_reused": "facts != null"}, "facts != null", "facts is used whole. Name its field"
    ),
    "no such party": ({'oversight = "tigta"': 'oversight = "gao"'}, 'oversight = "gao"', "no [parties.gao]"),
    "two roles": ({'oversight = "tigta"': 'oversight = "irs"'}, 'oversight = "irs"', "two roles"),
    "unknown signer": (
        {'id = "DEL-2025-02"\nagency = "ice"': 'id = "DEL-2025-02"\nagency = "cbp"'},
        'agency = "cbp"', "not one of the requesters",
    ),
    "time zone": ({"America/New_York": "America/Gotham"}, "Gotham", "no such time zone"),
    "never in force": (
        {"valid_until = 2030-04-07T": "valid_until = 2020-04-07T"}, "2020-04-07T", "not after valid_from"
    ),
    "ground without statute": (
        {
            'removal-order-90-days = ["8 U.S.C. 1253(a)(1)(A)"]': "",
            '{ "request.ground" = "removal-order-90-days" }': '{ "request.statute" = "8 U.S.C. 1324" }',
        },
        'removal-order-90-days = "The', "no statute is listed",
    ),
    "accepted is refused": (
        {'final_order_date" = 2025-03-04 }': 'final_order_date" = 2025-03-06 }'},
        "2025-03-06", "must be accepted, but fails L7",
    ),
    "refused is accepted": (
        {'final_order_date" = 2025-03-05 }': 'final_order_date" = 2025-03-03 }'},
        "2025-03-03", "must be refused by L7 alone, but fails nothing",
    ),
    "refused by another": (
        {'{ "request.statute" = "8 U.S.C. 1229a" }': '{ "request.officer.id" = "OFF-999" }'},
        "OFF-999", "must be refused by L4 alone, but fails L6",
    ),
    "field of an example": (
        {'{ "request.authorised_by" = "DEL-2025-02" }': '{ "request.authorized_by" = "DEL-2025-02" }'},
        "authorized_by", "unknown field `authorized_by`",
    ),
    "unlawful example": ({"[2023, 2024]\n": "[2023, 2025]\n"}, "[example]", "must be lawful, but fails L3"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_reported_with_its_line(case: str) -> None:
    changes, words, fault = CASES[case]
    text = changed(changes)
    finding, *others = found_in(text)
    assert others == []
    assert fault in finding.what
    if words:
        assert finding.line == line_with(text, words)


@pytest.mark.parametrize(
    ("old", "place"),
    [('id = "L8"', 'name = "sole use"'), ('id = "OFF-017"', 'id = "OFF-018"')],
)
def test_of_two_entries_with_one_id_the_second_is_reported(old: str, place: str) -> None:
    text = changed({old: old.replace("8", "7").replace("17", "16")})
    (finding,) = found_in(text)
    assert finding.line == line_with(text, place) - 1


@pytest.mark.parametrize(
    ("removed", "fault"),
    [
        ('citation = "8 U.S.C. 1253(a)"\n', "citation is missing"),
        ('refused = { "particulars.final_order_date" = 2025-03-05 }', "L7 has no refused example"),
    ],
)
def test_a_missing_part_is_reported_at_its_condition(removed: str, fault: str) -> None:
    text = changed({removed: ""})
    (finding,) = found_in(text)
    assert finding.what == fault
    assert finding.line == line_with(text, 'id = "L7"') - 1


def test_all_faults_are_listed_in_the_order_of_the_lines() -> None:
    text = changed(
        {
            "version = 1": 'version = "1"',
            "window_days = 30": "window_days = -1",
            'id = "DEL-2025-02"': "id = 2",
            'citation = "8 U.S.C. 1253(a)"\n': "",
        }
    )
    findings = found_in(text)
    assert [finding.where for finding in findings] == [
        "version", "limits.window_days", "delegations[1].id", "conditions[6]",
    ]  # fmt: skip
    assert [finding.line for finding in findings] == sorted(finding.line for finding in findings)


def test_all_faults_of_all_expressions_are_listed() -> None:
    text = changed(
        {
            "facts.case_open &&": "facts.open &&",
            "facts.officer_engaged &&": "engaged() &&",
            "later_of(particulars": "later(particulars",
        }
    )
    whats = [finding.what for finding in found_in(text)]
    assert whats == ["facts has no field open", "unknown function engaged", "unknown function later"]


@pytest.mark.parametrize(
    ("raw", "line", "fault"),
    [
        (b"", 1, "is missing"),
        (b'id = "x"\nb = "\xff"', 2, "not UTF-8"),
        (b"id = [" + b"[" * 5000, 1, "nested too deeply"),
        (b"id = '''\nno end", 2, "not TOML"),
    ],
    ids=["empty", "no UTF-8", "deep", "cut off"],
)
def test_a_text_that_is_no_agreement_is_reported(raw: bytes, line: int, fault: str) -> None:
    agreement, findings = lint(raw, RULES)
    assert agreement is None
    assert fault in findings[0].what and findings[0].line == line
