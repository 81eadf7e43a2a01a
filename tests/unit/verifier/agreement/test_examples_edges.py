"""The last request that each condition of the first agreement accepts, and the first that it refuses.

One table a condition, on the agreement's own file: what differs from its lawful example, and what then fails.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from glomar_schemas.messages import Tags
from glomar_verifier.holder_lists.case_roll import CaseRoll, RollRow
from glomar_verifier.policy.facts import Engagement, Registry
from glomar_verifier.quotas.counts import Attempt, Counts
from msgspec.structs import asdict, replace

from tests.support.model_request import failed, model_agreement, model_gate, model_input, model_request

Changes = Mapping[str, object]
Edge = tuple[str, Changes, list[str]]

LAWFUL: list[str] = []


def at(text: str, **changes: object) -> Changes:
    """Decided at that time; the request was issued a minute before and is valid for a day."""
    moment = datetime.fromisoformat(text)
    window = {
        "request.issued_at": moment - timedelta(minutes=1),
        "request.expires_at": moment + timedelta(days=1),
    }
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return {"now": moment, **window, **named}


DELEGATION: list[Edge] = [
    (
        "its last day, one second before midnight",
        at("2025-05-30T23:59:59-04:00", request__authorised_by="DEL-2025-02"),
        LAWFUL,
    ),
    ("it ended yesterday", at("2025-05-31T00:00:00-04:00", request__authorised_by="DEL-2025-02"), ["L1"]),
    (
        "in UTC it is already the day after",
        at("2025-05-31T03:59:59+00:00", request__authorised_by="DEL-2025-02"),
        LAWFUL,
    ),
    (
        "its first day",
        at("2025-04-07T00:00:00-04:00", particulars__final_order_date=date(2024, 1, 1)),
        LAWFUL,
    ),
    (
        "it starts tomorrow",
        at("2025-04-06T23:59:59-04:00", particulars__final_order_date=date(2024, 1, 1)),
        ["L1"],
    ),
    ("one letter off", {"request.authorised_by": "DEL-2025-01 "}, ["L1"]),
    ("in small letters", {"request.authorised_by": "del-2025-01"}, ["L1"]),
    ("another agency names it", {"request.agency": "cbp"}, ["L1", "L10"]),
    ("none", {"request.authorised_by": ""}, ["L1"]),
]

NO_STREET = {"particulars.street_number": "", "particulars.street_name": ""}
NAME_AND_ADDRESS: list[Edge] = [
    *(
        (f"street {text!r}", {"particulars.street_number": "", "particulars.street_name": text}, ["L2"])
        for text in (
            "Don't Care 12345",
            "DON’T CARE 12345",
            "Unknown",
            "UNKNOWN",
            "Failed to Provide",
            "failed  to provide",
            "General Delivery",
            "Homeless",
            "N/A",
            "None",
            " ",
            "12345",
        )
    ),
    *(
        (f"street {text!r} with a number", {"particulars.street_name": text}, ["L2"])
        for text in (
            "Unknown",
            "Failed to Provide",
            "Don't Care",
            "General Delivery",
        )
    ),
    ("a blank street", NO_STREET, ["L2"]),
    ("a ZIP alone", {**NO_STREET, "particulars.city": "", "particulars.state": ""}, ["L2"]),
    ("no city", {"particulars.city": ""}, ["L2"]),
    ("city unknown", {"particulars.city": "Unknown"}, ["L2"]),
    ("no state", {"particulars.state": ""}, ["L2"]),
    ("no ZIP", {"particulars.zip": ""}, ["L2"]),
    ("a ZIP of four digits", {"particulars.zip": "7700"}, ["L2"]),
    ("a ZIP of six digits", {"particulars.zip": "770022"}, ["L2"]),
    ("a ZIP with four more", {"particulars.zip": "77002-1234"}, LAWFUL),
    ("a ZIP of the next state", {"particulars.zip": "70112"}, ["L2"]),
    ("a PO box", {**NO_STREET, "particulars.po_box": "881"}, LAWFUL),
    ("a PO box unknown", {**NO_STREET, "particulars.po_box": "Unknown"}, ["L2"]),
    ("general delivery as a PO box", {**NO_STREET, "particulars.po_box": "General Delivery"}, ["L2"]),
    ("one letter for a first name", {"particulars.first_name": "X"}, LAWFUL),
    ("one name, as last name", {"particulars.first_name": ""}, LAWFUL),
    ("no name", {"particulars.first_name": "FNU", "particulars.last_name": ""}, ["L2"]),
    ("first name unknown", {"particulars.first_name": "Unknown"}, ["L2"]),
    ("names of blanks", {"particulars.first_name": "-", "particulars.last_name": "  "}, ["L2"]),
    ("a number in place of an address", {**NO_STREET, "particulars.unit": "A012345678"}, ["L2"]),
]

TAX_PERIODS: list[Edge] = [
    ("none", {"request.tax_periods": []}, ["L3"]),
    ("the year before the first", {"request.tax_periods": [2009]}, ["L3"]),
    ("the first year", {"request.tax_periods": [2010]}, LAWFUL),
    ("last year", {"request.tax_periods": [2024]}, LAWFUL),
    ("this year", {"request.tax_periods": [2025]}, ["L3"]),
    ("one closed and one open", {"request.tax_periods": [2024, 2025]}, ["L3"]),
    (
        "31 December, one second before midnight",
        at("2025-12-31T23:59:59-05:00", request__tax_periods=[2025]),
        ["L3"],
    ),
    ("1 January, midnight", at("2026-01-01T00:00:00-05:00", request__tax_periods=[2025]), LAWFUL),
    (
        "1 January in UTC, still December in New York",
        at("2026-01-01T04:59:59+00:00", request__tax_periods=[2025]),
        ["L3"],
    ),
]

STATUTE: list[Edge] = [
    ("re-entry", {"request.statute": "8 U.S.C. 1326"}, LAWFUL),
    *(
        (f"statute {text!r}", {"request.statute": text}, ["L4"])
        for text in (
            "8 U.S.C. 1362",
            "8 U.S.C. 1325(b)",
            "8 U.S.C. 1326 ",
            "8 u.s.c. 1326",
            "8 USC 1326",
            "18 U.S.C. 1326",
            "8 U.S.C. 1229a",
            "8 U.S.C. 1227(a)(1)",
            "",
        )
    ),
    ("the last of the list", {"request.statute": "18 U.S.C. 1546"}, LAWFUL),
    ("one more than the last", {"request.statute": "18 U.S.C. 1547"}, ["L4"]),
    (
        "under the other ground",
        {"request.ground": "removal-order-90-days", "request.statute": "8 U.S.C. 1326"},
        ["L4"],
    ),
    ("of both grounds", {"request.ground": "removal-order-90-days"}, LAWFUL),
    ("an unknown ground", {"request.ground": "removal-order-90-day"}, ["L4"]),
]

REASON: list[Edge] = [
    ("40 characters", {"particulars.reason": "x" * 40}, LAWFUL),
    ("39 characters", {"particulars.reason": "x" * 39}, ["L5"]),
    ("40 letters of two bytes", {"particulars.reason": "é" * 40}, LAWFUL),
    ("39 letters of two bytes", {"particulars.reason": "é" * 39}, ["L5"]),
    ("39 and blanks around", {"particulars.reason": f"  {'x' * 39}  "}, ["L5"]),
    ("39, and a run of blanks for one", {"particulars.reason": f"{'x' * 19}    {'x' * 19}"}, ["L5"]),
    ("about five people", {"facts.people_with_same_reason": 5}, LAWFUL),
    ("about six people", {"facts.people_with_same_reason": 6}, ["L5"]),
]

OFFICER: list[Edge] = [
    ("the last of the list", {"request.officer.id": "OFF-040"}, LAWFUL),
    ("one more than the last", {"request.officer.id": "OFF-041"}, ["L6"]),
    ("in small letters", {"request.officer.id": "off-001"}, ["L6"]),
    ("a case that is not open", {"facts.case_open": False, "facts.officer_engaged": False}, ["L6"]),
    ("of another case", {"facts.officer_engaged": False}, ["L6"]),
    ("200 cases", {"facts.open_cases_of_officer": 200}, LAWFUL),
    ("201 cases", {"facts.open_cases_of_officer": 201}, ["L6"]),
    ("no such district", {"request.jurisdiction": "txxd"}, ["L6"]),
    ("no district", {"request.jurisdiction": ""}, ["L6"]),
]

ORDER = "particulars__final_order_date"
NINETY_DAYS: list[Edge] = [
    ("day 89", {"particulars.final_order_date": date(2025, 3, 5)}, ["L7"]),
    ("day 90", {"particulars.final_order_date": date(2025, 3, 4)}, LAWFUL),
    ("no order", {"particulars.final_order_date": None}, ["L7"]),
    ("an order of tomorrow", {"particulars.final_order_date": date(2025, 6, 3)}, ["L7"]),
    ("over 29 February, day 90", at("2028-05-01T12:00:00-04:00", **{ORDER: date(2028, 2, 1)}), LAWFUL),
    ("over 29 February, day 89", at("2028-04-30T12:00:00-04:00", **{ORDER: date(2028, 2, 1)}), ["L7"]),
    (
        "the same days of a common year, day 89",
        at("2027-05-01T12:00:00-04:00", **{ORDER: date(2027, 2, 1)}),
        ["L7"],
    ),
    ("ordered on 29 February, day 90", at("2028-05-29T12:00:00-04:00", **{ORDER: date(2028, 2, 29)}), LAWFUL),
    ("ordered on 29 February, day 89", at("2028-05-28T12:00:00-04:00", **{ORDER: date(2028, 2, 29)}), ["L7"]),
    (
        "one second before the midnight of day 90",
        at("2025-06-01T23:59:59-04:00", **{ORDER: date(2025, 3, 4)}),
        ["L7"],
    ),
    ("the midnight of day 90", at("2025-06-02T00:00:00-04:00", **{ORDER: date(2025, 3, 4)}), LAWFUL),
    ("in UTC it is day 90 already", at("2025-06-02T03:59:59+00:00", **{ORDER: date(2025, 3, 4)}), ["L7"]),
    (
        "clocks went forward within, day 90",
        at("2026-03-09T00:00:00-04:00", **{ORDER: date(2025, 12, 9)}),
        LAWFUL,
    ),
    (
        "clocks went forward within, day 89",
        at("2026-03-08T23:59:59-04:00", **{ORDER: date(2025, 12, 9)}),
        ["L7"],
    ),
    ("clocks went back within, day 90", at("2025-11-03T00:00:00-05:00", **{ORDER: date(2025, 8, 5)}), LAWFUL),
    ("clocks went back within, day 89", at("2025-11-02T23:59:59-05:00", **{ORDER: date(2025, 8, 5)}), ["L7"]),
    ("the court's order is later, day 89", {"particulars.court_order_date": date(2025, 3, 5)}, ["L7"]),
    ("the court's order is later, day 90", {"particulars.court_order_date": date(2025, 3, 4)}, LAWFUL),
    ("the court's order is earlier", {"particulars.court_order_date": date(2025, 2, 9)}, LAWFUL),
    (
        "the court's order is earlier, the other one day 89",
        {"particulars.court_order_date": date(2024, 1, 1), "particulars.final_order_date": date(2025, 3, 5)},
        ["L7"],
    ),
    (
        "a court's order alone",
        {"particulars.final_order_date": None, "particulars.court_order_date": date(2024, 1, 1)},
        ["L7"],
    ),
    *(
        (f"class {text!r}", {"particulars.removal_class": text}, ["L7"])
        for text in (
            "8 U.S.C. 1227(a)(7)",
            "8 U.S.C. 1227(a)(1)(F)",
            "8 U.S.C. 1227(a)(1)(b)",
            "8 U.S.C. 1227(b)(1)(B)",
            "8 U.S.C. 1227(a)(1)(B) ",
            "8 U.S.C. 1182(a)(1)",
            "1227(a)(1)(B)",
            "",
        )
    ),
    ("another class of the list", {"particulars.removal_class": "8 U.S.C. 1227(a)(6)"}, LAWFUL),
    ("relief pending", {"particulars.relief_pending": True}, ["L7"]),
    ("relief not stated", {"particulars.relief_pending": None}, ["L7"]),
    ("not wilful", {"particulars.wilfulness_attested": False}, ["L7"]),
    ("wilfulness not stated", {"particulars.wilfulness_attested": None}, ["L7"]),
    *(
        (
            f"no clock for (a)(1)({letter})",
            {
                "request.statute": f"8 U.S.C. 1253(a)(1)({letter})",
                "particulars.final_order_date": date(2025, 6, 2),
            },
            LAWFUL,
        )
        for letter in "BCD"
    ),
]

SOLE_USE: list[Edge] = [
    ("a listed use", {"request.intended_use": "criminal-investigation"}, LAWFUL),
    *(
        (f"use {text!r}", {"request.intended_use": text}, ["L8"])
        for text in (
            "criminal-investigations",
            "Criminal-investigation",
            "civil-removal",
            "voter-rolls",
            "public-benefits",
            "",
        )
    ),
    ("no artificial intelligence", {"request.automated_analysis": False}, LAWFUL),
    ("with a notice on file", {"request.automated_analysis": "AI-2025-001"}, LAWFUL),
    ("one digit off the notice", {"request.automated_analysis": "AI-2025-002"}, ["L8"]),
    ("without naming a notice", {"request.automated_analysis": True}, ["L8"]),
    ("an empty notice", {"request.automated_analysis": ""}, ["L8"]),
]

SAFEGUARDS: list[Edge] = [
    ("the certificate's last day", at("2030-04-06T23:59:59-04:00"), LAWFUL),
    # The delegation of the file ends on the same day.
    ("the day after", at("2030-04-07T00:00:00-04:00", facts__delegation_valid=True), ["L10"]),
    ("in UTC it is the day after", at("2030-04-07T03:59:59+00:00"), LAWFUL),
    ("an agency without one", {"request.agency": "cbp", "facts.delegation_valid": True}, ["L10"]),
]


def fresh(issued_s: float, expires_s: float, held_s: float = 0) -> Changes:
    """Seconds from the time of the decision."""
    now = model_input().now
    return {
        "request.issued_at": now + timedelta(seconds=issued_s),
        "request.expires_at": now + timedelta(seconds=expires_s),
        "facts.held": timedelta(seconds=held_s),
    }


FRESH: list[Edge] = [
    ("issued 5 s ahead", fresh(5, 60), LAWFUL),
    ("issued 5.001 s ahead", fresh(5.001, 60), ["L11"]),
    ("one millisecond left", fresh(-60, 0.001), LAWFUL),
    ("expired this moment", fresh(-60, 0), ["L11"]),
    ("expired a day ago, held for that day and a second", fresh(-9e4, -86_400, 86_401), LAWFUL),
    ("expired a day ago, held for just that day", fresh(-9e4, -86_400, 86_400), ["L11"]),
    ("the same moment in another zone", {"request.expires_at": "2025-06-02T17:00:01+02:00"}, LAWFUL),
    ("it has expired in another zone", {"request.expires_at": "2025-06-02T17:00:00+02:00"}, ["L11"]),
    ("another version of the agreement", {"facts.agreement_current": False}, ["L11"]),
    ("an id that was used", {"facts.id_reused": True}, ["L11"]),
]

LIMITS = {
    "L9a": ("addresses_of_name", 10),
    "L9b": ("people_at_address", 10),
    "L9c": ("requests_of_officer", 300),
    "L9d": ("requests_in_case", 20),
    "L9e": ("requests_of_day", 5000),
}


def counted(rule: str, fact: str, limit: int) -> list[Edge]:
    """A count, this request included, at its limit and one above it."""
    return [
        ("the first", {f"facts.{fact}": 1}, LAWFUL),
        ("the last", {f"facts.{fact}": limit}, LAWFUL),
        ("one more than the last", {f"facts.{fact}": limit + 1}, [rule]),
    ]


TABLES = {
    "L1": DELEGATION,
    "L2": NAME_AND_ADDRESS,
    "L3": TAX_PERIODS,
    "L4": STATUTE,
    "L5": REASON,
    "L6": OFFICER,
    "L7": NINETY_DAYS,
    "L8": SOLE_USE,
    **{rule: counted(rule, *limit) for rule, limit in LIMITS.items()},
    "L10": SAFEGUARDS,
    "L11": FRESH,
}
EDGES = [pytest.param(*edge[1:], id=f"{rule}: {edge[0]}") for rule, table in TABLES.items() for edge in table]


@pytest.mark.parametrize(("changes", "expected"), EDGES)
def test_the_gate_refuses_from_the_edge_on_and_for_that_reason_alone(
    changes: Changes, expected: list[str]
) -> None:
    assert failed(dict(changes)) == expected


@pytest.mark.parametrize("condition", TABLES)
def test_each_condition_is_tried_on_both_sides_of_its_edge(condition: str) -> None:
    sides = Counter(tuple(expected) for _, _, expected in TABLES[condition])
    assert sides[()] >= 1 and any(condition in failing for failing in sides)


def test_all_failures_are_listed_together_in_the_agreements_order() -> None:
    bulk = {
        "request.authorised_by": "",
        "request.tax_periods": [],
        "request.statute": "8 U.S.C. 1229a",
        "request.officer.id": "OFF-999",
        "request.intended_use": "civil-removal",
        "particulars.reason": "Wanted.",
        "particulars.street_name": "Don't Care 12345",
        "particulars.street_number": "",
        "facts.safeguards_current": False,
        "facts.agreement_current": False,
    }
    assert failed(bulk) == ["L1", "L2", "L3", "L4", "L5", "L6", "L8", "L10", "L11"]
    # Only failure to depart has the 90 days: under its statute L7 fails, and L4 does not.
    young = {"request.statute": "8 U.S.C. 1253(a)(1)(A)", "particulars.final_order_date": date(2025, 6, 1)}
    assert failed({**bulk, **young}) == ["L1", "L2", "L3", "L5", "L6", "L7", "L8", "L10", "L11"]


def test_the_notice_of_another_agency_does_not_count() -> None:
    """The agreement with a second agency that has its own delegation, certificate and notice."""
    agreement = model_agreement()
    (certificate,), delegation = agreement.safeguards, agreement.delegations[0]
    other = replace(certificate, agency="cbp", analysis_notifications=("AI-CBP-7",))
    wider = replace(
        agreement,
        safeguards=(certificate, other),
        delegations=(delegation, replace(delegation, agency="cbp", id="CBP-1")),
    )
    theirs: dict[str, object] = {"request.agency": "cbp", "request.authorised_by": "CBP-1"}
    assert failed({**theirs, "request.automated_analysis": "AI-CBP-7"}, wider) == []
    assert failed({**theirs, "request.automated_analysis": "AI-2025-001"}, wider) == ["L8"]
    assert failed({"request.automated_analysis": "AI-CBP-7"}, wider) == ["L8"]
    assert failed({"request.authorised_by": "CBP-1"}, wider) == ["L1"]


def test_one_reason_is_counted_up_to_five_people_and_refused_for_the_sixth(tmp_path: Path) -> None:
    """Counted as the verifier does; each request is about a different person."""
    asks = [
        Attempt(
            request_id=f"r{n}",
            digest="00" * 32,
            agency="ice",
            officer="OFF-001",
            tags=Tags(person=f"{n:064x}", reason="a" * 64, case=f"{n:064x}"),
            address="b" * 64,
            day="2025-06-02",
            at_ns=n + 1,
        )
        for n in range(6)
    ]
    with closing(Counts(tmp_path / "counts.db", window_days=model_agreement().limits.window_days)) as counts:
        people = [counted.people_with_same_reason for counted in counts.observe_batch(asks)]
    assert [failed({"facts.people_with_same_reason": number}) for number in people] == [[]] * 5 + [["L5"]]


@pytest.mark.parametrize(
    ("today", "expected"),
    [(date(2025, 6, 1), []), (date(2025, 6, 2), ["L6"]), (date(2025, 1, 9), ["L6"])],
    ids=["the day before it was closed", "the day on which it was closed", "the day before it was opened"],
)
def test_a_case_counts_from_its_opening_to_the_day_before_its_closing(
    today: date, expected: list[str]
) -> None:
    opened, closed = date(2025, 1, 10).toordinal(), date(2025, 6, 2).toordinal()
    roll = CaseRoll([RollRow(2, "HOU-2025-004417", "OFF-001", opened, closed)])
    engagement = roll.engagement("HOU-2025-004417", "OFF-001", today)
    known = {f"facts.{name}": value for name, value in asdict(engagement).items()}
    assert failed(known) == expected


def test_what_nobody_filed_is_no_open_case() -> None:
    facts = Registry(model_agreement()).facts(
        model_request(),
        model_input().facts,
        Engagement(),
        model_gate().today(model_input().now),
        agreement_current=True,
    )
    assert not facts.case_open and not facts.officer_engaged
