"""A demo's figures add up, and it claims success only when every promise held."""

import io
from collections import Counter

import pytest
from glomar_auditor.ledger.fsck import LedgerReport
from glomar_local.demo.ledger_count import AuditedLedger, LedgerCount
from glomar_local.demo.report import DemoReport, DemoRow, figures
from glomar_local.demo.run import join
from glomar_local.demo.tables import render
from msgspec.structs import replace
from rich.console import Console

ROWS = [
    DemoRow("true", "confirm", "confirm", request_id="a"),
    DemoRow("true", "confirm", "deny", request_id="b"),
    DemoRow("wrong-address", "deny", "deny", request_id="c"),
    DemoRow("day-89", "refused", "refused", ("L7",), request_id="d"),
    DemoRow("malformed-bytes", "refused", "refused", ("malformed",), request_id="e"),
]
IDS = [row.request_id for row in ROWS]
VERIFIED = AuditedLedger(
    LedgerReport("audit.tigta/X", 11, bytes(32), 1),
    "",
    LedgerCount(dict.fromkeys(IDS, "00"), Counter(IDS)),
)
REPORT = DemoReport(ROWS, VERIFIED, None, None, [], 12.345, 4.0)


def text(report: DemoReport) -> str:
    out = io.StringIO()
    Console(file=out, width=132).print(render(report))
    return out.getvalue()


def test_the_figures_add_up() -> None:
    found = figures(REPORT)

    assert found == {
        "requests": 5,
        "confirm": 1,
        "deny": 2,
        "refused": 2,
        "rejected": 0,
        "unanswered": 0,
        "ledger_size": 11,
        "ledger_verified": True,
        "false_confirms": 0,
        "misjudged": 0,
        "seconds": 12.35,
        "trace_services": 0,
    }


def test_a_true_match_that_was_denied_is_shown_but_breaks_no_promise() -> None:
    assert REPORT.holds
    assert "1 of 2" in text(REPORT)


@pytest.mark.parametrize("expected", ["deny", "refused"])
def test_a_false_confirm_breaks_the_promise(expected: str) -> None:
    report = replace(REPORT, rows=[*ROWS[1:], DemoRow("absent-person", expected, "confirm", request_id="a")])

    assert figures(report)["false_confirms"] == 1
    assert not report.holds
    assert "FALSE CONFIRM" in text(report)


@pytest.mark.parametrize(("expected", "outcome"), [("refused", "deny"), ("confirm", "refused")])
def test_a_lawful_request_refused_or_an_unlawful_one_looked_up_breaks_the_promise(
    expected: str, outcome: str
) -> None:
    report = replace(REPORT, rows=[*ROWS[1:], DemoRow("true", expected, outcome, request_id="a")])

    assert figures(report)["misjudged"] == 1
    assert not report.holds


@pytest.mark.parametrize(
    "counted",
    [
        LedgerCount(dict.fromkeys(IDS, "00"), Counter(IDS[1:])),
        LedgerCount(dict.fromkeys(IDS, "00"), Counter([*IDS, "a"])),
        LedgerCount(dict.fromkeys(IDS, "00"), Counter(IDS), strays=1),
        LedgerCount(dict.fromkeys(IDS[1:], "00"), Counter(IDS[1:])),
    ],
    ids=["no verdict", "two verdicts", "a verdict on nothing", "not in the ledger"],
)
def test_a_demo_without_exactly_one_verdict_for_each_request_fails(counted: LedgerCount) -> None:
    report = replace(REPORT, audited=replace(VERIFIED, counted=counted))

    assert not report.holds


def test_a_demo_whose_ledger_does_not_verify_fails_and_reports_it() -> None:
    fault = "checkpoint: leaf 3: the entries do not hash to the signed root"
    report = replace(REPORT, audited=AuditedLedger(None, fault, VERIFIED.counted))

    assert figures(report)["ledger_verified"] is False
    assert not report.holds
    assert fault in text(report)


def test_a_request_without_a_result_is_unanswered() -> None:
    requests = [
        {"reference": "R-1", "klass": "true", "truth": "confirm"},
        {"reference": "R-2", "klass": "day-89", "truth": "refused:L7"},
    ]
    results = {
        "R-2": {"outcome": "refused", "refusals": "L7;L8", "request_id": "x", "trace_id": "y"},
    }

    assert join(requests, results) == [
        DemoRow("true", "confirm", "unanswered"),
        DemoRow("day-89", "refused", "refused", ("L7", "L8"), "x", "y"),
    ]
