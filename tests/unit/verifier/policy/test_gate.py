"""The gate under the first agreement: every condition at its edges."""

from datetime import date, datetime, timedelta

import pytest
from glomar_schemas.errors import Malformed
from glomar_verifier.policy.gate import Gate
from msgspec.structs import replace

from tests.support.model_request import failed, model_agreement, model_gate, model_input
from tests.support.registers import RULES

STREET = {"particulars.street_number": "", "particulars.street_name": ""}
LEAP = {
    "now": datetime.fromisoformat("2028-03-01T12:00:00-05:00"),
    "request.issued_at": datetime.fromisoformat("2028-03-01T11:59:00-05:00"),
    "request.expires_at": datetime.fromisoformat("2028-03-02T11:59:00-05:00"),
}


def test_a_condition_that_needs_a_limit_which_is_not_set_is_found_at_loading() -> None:
    agreement = model_agreement()
    without = replace(agreement, limits=replace(agreement.limits, requests_per_day=None))
    with pytest.raises(Malformed, match=r"condition L9e: limits\.requests_per_day is not set"):
        Gate(without, RULES)


def test_an_agreement_may_leave_out_a_limit_with_its_condition() -> None:
    agreement = model_agreement()
    without = replace(
        agreement,
        limits=replace(agreement.limits, requests_per_day=None),
        conditions=tuple(each for each in agreement.conditions if each.id != "L9e"),
    )
    assert failed({"facts.requests_of_day": 1_280_000}) == ["L9e"]
    assert failed({"facts.requests_of_day": 1_280_000}, without) == []


def test_a_lawful_request_passes_every_condition() -> None:
    assert failed({}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"request.authorised_by": "DEL-2025-99"}, ["L1"], id="a delegation nobody knows"),
        pytest.param({"request.authorised_by": ""}, ["L1"], id="no delegation"),
        pytest.param({"request.agency": "fbi"}, ["L1", "L10"], id="an agency without delegation"),
        pytest.param({"particulars.first_name": ""}, [], id="one name, as last name"),
        pytest.param({"particulars.last_name": "LNU"}, [], id="one name, as first name"),
        pytest.param({"particulars.first_name": "", "particulars.last_name": ""}, ["L2"], id="no name"),
        pytest.param({"particulars.first_name": "FNU", "particulars.last_name": ""}, ["L2"], id="codes"),
        pytest.param({"particulars.first_name": "Test", "particulars.last_name": "None"}, ["L2"], id="Test"),
        pytest.param({"particulars.first_name": "Ana", "particulars.last_name": "None"}, [], id="Ms None"),
        pytest.param({"particulars.last_name": "Unknown"}, ["L2"], id="an unknown last name"),
        pytest.param({**STREET, "particulars.city": "", "particulars.state": ""}, ["L2"], id="a ZIP only"),
        pytest.param({**STREET, "particulars.street_name": "Don't Care 12345"}, ["L2"], id="Don't Care"),
        pytest.param({**STREET, "particulars.street_name": "Failed to Provide"}, ["L2"], id="not provided"),
        pytest.param({**STREET, "particulars.po_box": "General Delivery"}, ["L2"], id="general delivery"),
        pytest.param({"particulars.street_number": ""}, ["L2"], id="a street without a house number"),
        pytest.param({"particulars.zip": "10001"}, ["L2"], id="a ZIP code of another state"),
        pytest.param({"particulars.zip": "7700"}, ["L2"], id="a ZIP code of four digits"),
        pytest.param({**STREET, "particulars.po_box": "881"}, [], id="a PO box instead of a street"),
        pytest.param({"request.tax_periods": []}, ["L3"], id="no tax period"),
        pytest.param({"request.tax_periods": [2024]}, [], id="last year"),
        pytest.param({"request.tax_periods": [2025]}, ["L3"], id="this year, which is not closed"),
        pytest.param({"request.tax_periods": [2010]}, [], id="the earliest year"),
        pytest.param({"request.tax_periods": [2009]}, ["L3"], id="before the earliest year"),
        pytest.param({"request.tax_periods": [2023, 2026]}, ["L3"], id="one closed, one to come"),
        pytest.param({"request.statute": "8 U.S.C. 1326"}, [], id="re-entry"),
        pytest.param({"request.statute": "8 U.S.C. 1362"}, ["L4"], id="a statute with two digits swapped"),
        pytest.param({"request.statute": "8 U.S.C. 1326 "}, ["L4"], id="a statute with a blank too many"),
        pytest.param({"request.statute": "8 u.s.c. 1326"}, ["L4"], id="a statute in small letters"),
        pytest.param({"request.statute": "8 U.S.C. 1229a"}, ["L4"], id="civil removal as a statute"),
        pytest.param({"request.ground": "civil-removal"}, ["L4"], id="civil removal as a ground"),
        pytest.param({"request.ground": "removal-order-90-days"}, [], id="the other ground"),
        pytest.param(
            {"request.ground": "removal-order-90-days", "request.statute": "8 U.S.C. 1326"},
            ["L4"],
            id="a statute of the other ground",
        ),
        pytest.param({"particulars.reason": "é" * 40}, [], id="a reason of 40 characters"),
        pytest.param({"particulars.reason": "é" * 39}, ["L5"], id="a reason of 39 characters"),
        pytest.param({"particulars.reason": "Wanted." + " " * 60 + "So."}, ["L5"], id="a reason of blanks"),
        pytest.param({"facts.people_with_same_reason": 6}, ["L5"], id="one reason for six people"),
        pytest.param({"request.officer.id": "OFF-041"}, ["L6"], id="an officer who is not registered"),
        pytest.param({"request.officer.id": "off-001"}, ["L6"], id="an officer in small letters"),
        pytest.param({"facts.case_open": False}, ["L6"], id="a case that is not open"),
        pytest.param({"facts.officer_engaged": False}, ["L6"], id="an officer of another case"),
        pytest.param({"request.jurisdiction": "federal"}, [], id="no particular district"),
        pytest.param({"request.jurisdiction": "mars"}, ["L6"], id="no such district"),
        pytest.param({"facts.open_cases_of_officer": 201}, ["L6"], id="an officer with too many cases"),
        pytest.param({"facts.open_cases_of_officer": 1_280_000}, ["L6"], id="an officer with a million"),
        pytest.param({"request.intended_use": "voter-roll-maintenance"}, ["L8"], id="voter rolls"),
        pytest.param({"request.intended_use": "public-benefits"}, ["L8"], id="public benefits"),
        pytest.param({"request.intended_use": "civil-removal"}, ["L8"], id="civil removal as a use"),
        pytest.param({"request.automated_analysis": "AI-2025-001"}, [], id="AI with a notification on file"),
        pytest.param({"request.automated_analysis": "AI-2025-002"}, ["L8"], id="AI, unknown notification"),
        pytest.param({"request.automated_analysis": True}, ["L8"], id="AI without a notification"),
        pytest.param({"request.automated_analysis": ""}, ["L8"], id="AI with an empty notification"),
        pytest.param({"facts.agreement_current": False}, ["L11"], id="another version of the agreement"),
        pytest.param({"facts.id_reused": True}, ["L11"], id="an id used before"),
    ],
)  # fmt: skip
def test_a_request_fails_exactly(changes: dict[str, object], expected: list[str]) -> None:
    assert failed(changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"particulars.final_order_date": date(2025, 3, 4)}, [], id="day 90"),
        pytest.param({"particulars.final_order_date": date(2025, 3, 5)}, ["L7"], id="day 89"),
        pytest.param({"particulars.final_order_date": date(2025, 6, 2)}, ["L7"], id="today"),
        pytest.param({"particulars.final_order_date": date(2025, 9, 1)}, ["L7"], id="still to come"),
        pytest.param({"particulars.final_order_date": None}, ["L7"], id="no order"),
        pytest.param({"particulars.court_order_date": date(2025, 3, 4)}, [], id="court, day 90"),
        pytest.param({"particulars.court_order_date": date(2025, 3, 5)}, ["L7"], id="court, day 89"),
        pytest.param({"particulars.court_order_date": date(2024, 1, 1)}, [], id="court's order before"),
        pytest.param(
            {"particulars.final_order_date": None, "particulars.court_order_date": date(2025, 1, 1)},
            ["L7"],
            id="a court's order alone",
        ),
        pytest.param({**LEAP, "particulars.final_order_date": date(2027, 12, 2)}, [], id="leap, 90"),
        pytest.param({**LEAP, "particulars.final_order_date": date(2027, 12, 3)}, ["L7"], id="leap, 89"),
        pytest.param({"particulars.removal_class": "8 U.S.C. 1182(a)(1)"}, ["L7"], id="another class"),
        pytest.param({"particulars.removal_class": ""}, ["L7"], id="no class"),
        pytest.param({"particulars.relief_pending": True}, ["L7"], id="relief pending"),
        pytest.param({"particulars.relief_pending": None}, ["L7"], id="relief not stated"),
        pytest.param({"particulars.wilfulness_attested": False}, ["L7"], id="not wilful"),
        pytest.param({"particulars.wilfulness_attested": None}, ["L7"], id="wilfulness not stated"),
    ],
)  # fmt: skip
def test_failure_to_depart_needs_90_full_days(changes: dict[str, object], expected: list[str]) -> None:
    assert failed(changes) == expected


@pytest.mark.parametrize("letter", ["B", "C", "D"])
def test_the_other_crimes_of_the_section_have_no_90_day_clock(letter: str) -> None:
    young = {"particulars.final_order_date": date(2025, 6, 1), "particulars.wilfulness_attested": None}
    assert failed({"request.statute": f"8 U.S.C. 1253(a)(1)({letter})", **young}) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("2025-03-05T04:59:59+00:00", ["L7"], id="in New York it is still day 89"),
        pytest.param("2025-03-05T05:00:00+00:00", [], id="midnight in New York begins day 90"),
    ],
)
def test_days_are_counted_in_the_time_zone_of_the_agreement(now: str, expected: list[str]) -> None:
    moment = datetime.fromisoformat(now)
    window = {"request.issued_at": moment, "request.expires_at": moment + timedelta(days=1)}
    delegated = {"facts.delegation_valid": True}
    ordered = {"particulars.final_order_date": date(2024, 12, 5)}
    assert failed({"now": moment, **window, **delegated, **ordered}) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("2025-05-30T23:59:59-04:00", [], id="on its last day"),
        pytest.param("2025-05-31T00:00:00-04:00", ["L1"], id="the day after"),
    ],
)
def test_a_delegation_counts_until_the_end_of_its_last_day(now: str, expected: list[str]) -> None:
    moment = datetime.fromisoformat(now)
    window = {"request.issued_at": moment, "request.expires_at": moment + timedelta(days=1)}
    assert failed({"now": moment, **window, "request.authorised_by": "DEL-2025-02"}) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("2030-04-06T23:59:59-04:00", [], id="on its last day"),
        pytest.param("2030-04-07T00:00:00-04:00", ["L1", "L10"], id="the day after"),
    ],
)
def test_nothing_passes_after_the_safeguards_certificate_ended(now: str, expected: list[str]) -> None:
    moment = datetime.fromisoformat(now)
    window = {"request.issued_at": moment, "request.expires_at": moment + timedelta(days=1)}
    assert failed({"now": moment, **window}) == expected


@pytest.mark.parametrize(
    ("issued_s", "expires_s", "held_s", "expected"),
    [
        pytest.param(0, 1, 0, [], id="issued this moment"),
        pytest.param(5, 60, 0, [], id="as far ahead as clocks may differ"),
        pytest.param(6, 60, 0, ["L11"], id="issued in the future"),
        pytest.param(-60, 0, 0, ["L11"], id="expired this moment"),
        pytest.param(-60, -30, 31, [], id="expired while it waited under a hold"),
        pytest.param(-60, -30, 30, ["L11"], id="expired although it waited"),
    ],
)
def test_a_request_is_fresh(issued_s: int, expires_s: int, held_s: int, expected: list[str]) -> None:
    now = model_input().now
    changes: dict[str, object] = {
        "request.issued_at": now + timedelta(seconds=issued_s),
        "request.expires_at": now + timedelta(seconds=expires_s),
        "facts.held": timedelta(seconds=held_s),
    }
    assert failed(changes) == expected


def test_a_refusal_names_every_failed_condition_with_its_citation_and_in_order() -> None:
    varied = model_input(
        {"request.officer.id": "", "particulars.zip": "", "request.statute": "", "request.tax_periods": []}
    )
    refusals = model_gate().refusals(varied.request, varied.particulars, varied.facts, varied.now)
    assert [refusal.condition for refusal in refusals] == ["L2", "L3", "L4", "L6"]
    texts = {c.id: (c.citation, c.refusal) for c in model_agreement().conditions}
    assert all((refusal.citation, refusal.message) == texts[refusal.condition] for refusal in refusals)


def test_one_request_has_no_effect_on_the_next() -> None:
    for _ in range(2):
        assert failed({"particulars.last_name": "Unknown", "request.officer.id": ""}) == ["L2", "L6"]
        assert failed({}) == []
