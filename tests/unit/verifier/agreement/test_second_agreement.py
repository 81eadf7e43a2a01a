"""The second agreement at its edges: other fields in force, another closing date, another time zone."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import pytest
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.agreement.versions import bundled_agreements
from glomar_verifier.agreement.examples import outcome
from glomar_verifier.policy.gate import Gate

from tests.support.model_request import model_agreement
from tests.support.registers import RULES

SECOND = list(bundled_agreements().values())[1]
AGREEMENT = parse_agreement(SECOND.read_bytes(), where=SECOND.name)
GATE = Gate(AGREEMENT, RULES)
LAWFUL: list[str] = []


def at(text: str, **changes: object) -> Mapping[str, object]:
    moment = datetime.fromisoformat(text)
    window = {"request.issued_at": moment, "request.expires_at": moment + timedelta(days=1)}
    return {"now": moment, **window, **{name.replace("__", "."): value for name, value in changes.items()}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, LAWFUL, id="the example"),
        pytest.param({"particulars.date_of_birth": ""}, ["L2"], id="no date of birth"),
        pytest.param({"particulars.street_number": ""}, ["L2"], id="no house number"),
        pytest.param(at("2026-06-30T23:59:59-06:00"), ["L3"], id="30 June: last year is not on file"),
        pytest.param(at("2026-07-01T00:00:00-06:00"), LAWFUL, id="1 July: it is"),
        pytest.param(at("2026-07-01T05:59:59+00:00"), ["L3"], id="1 July in UTC, 30 June in Denver"),
        pytest.param(at("2026-07-01T00:00:00-04:00"), ["L3"], id="1 July in New York, 30 June in Denver"),
        pytest.param({"request.tax_periods": [2018]}, ["L3"], id="before the first year"),
        pytest.param({"request.tax_periods": [2019]}, LAWFUL, id="the first year"),
        pytest.param(at("2027-06-30T12:00:00-06:00", request__tax_periods=[2025]), LAWFUL, id="long closed"),
        pytest.param({"request.statute": "8 U.S.C. 1326"}, ["L4"], id="a criminal statute"),
        pytest.param({"request.statute": "7 U.S.C. 2017"}, ["L4"], id="a statute of the other ground"),
        pytest.param({"request.ground": "criminal-investigation"}, ["L4"], id="a criminal ground"),
        pytest.param({"particulars.reason": "x" * 20}, LAWFUL, id="20 characters"),
        pytest.param({"particulars.reason": "x" * 19}, ["L5"], id="19 characters"),
        pytest.param({"facts.people_with_same_reason": 51}, ["L5"], id="51 people"),
        pytest.param({"facts.case_open": False}, ["L6"], id="no open case"),
        pytest.param({"facts.officer_engaged": False}, LAWFUL, id="a colleague's case"),
        pytest.param({"request.officer.id": "OFF-001"}, ["L6"], id="an officer of the other agreement"),
        pytest.param({"request.jurisdiction": "cod"}, ["L6"], id="a district of the other agreement"),
        pytest.param({"facts.open_cases_of_officer": 401}, ["L6"], id="401 cases"),
        pytest.param({"particulars.final_order_date": date(2020, 1, 1)}, ["L7"], id="an order"),
        pytest.param({"particulars.court_order_date": date(2020, 1, 1)}, ["L7"], id="a court's order"),
        pytest.param({"particulars.removal_class": "8 U.S.C. 1227(a)(1)"}, ["L7"], id="a class of removal"),
        pytest.param({"particulars.relief_pending": False}, ["L7"], id="relief, even to deny it"),
        pytest.param({"particulars.wilfulness_attested": False}, ["L7"], id="wilfulness, even to deny it"),
        pytest.param({"request.intended_use": "criminal-investigation"}, ["L8"], id="a criminal use"),
        pytest.param({"request.automated_analysis": "AI-2025-001"}, ["L8"], id="AI, whatever the notice"),
        pytest.param(at("2030-12-31T23:59:59-07:00"), LAWFUL, id="the last day"),
        pytest.param(at("2031-01-01T00:00:00-07:00"), ["L1", "L10"], id="the day after"),
        pytest.param({"request.agency": "ice"}, ["L1", "L10"], id="the agency of the other agreement"),
    ],
)
def test_the_second_agreement_refuses_by_its_own_words(
    changes: Mapping[str, object], expected: list[str]
) -> None:
    assert outcome(AGREEMENT, changes, GATE) == expected


def test_what_only_removal_needs_is_not_in_it() -> None:
    assert AGREEMENT.allowed.removal_classes == ()
    assert AGREEMENT.limits.days_after_order is None


def test_the_two_share_holder_and_oversight_and_no_ground_statute_or_use() -> None:
    first = model_agreement()
    assert (AGREEMENT.holder, AGREEMENT.oversight) == (first.holder, first.oversight)
    assert set(AGREEMENT.requesters).isdisjoint(first.requesters)
    assert AGREEMENT.allowed.grounds.keys().isdisjoint(first.allowed.grounds)
    assert AGREEMENT.allowed.intended_uses.keys().isdisjoint(first.allowed.intended_uses)
    statutes = {each for some in AGREEMENT.allowed.statutes.values() for each in some}
    assert statutes.isdisjoint(each for some in first.allowed.statutes.values() for each in some)
