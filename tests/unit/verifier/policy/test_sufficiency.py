"""Condition L2's functions: what was accepted in 2025 and must be refused, and what is real."""

import re

import pytest
from glomar_verifier.policy.sufficiency import is_complete_address, is_placeholder, zip_fits_state
from hypothesis import given
from hypothesis import strategies as st

from tests.support.registers import RULES


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-", "???", "12345", "12345-6789", "TX 77002", "Unknown", "UNKNOWN 90210", "unknown address",
        "Don't Care 12345", "DON’T CARE", "dont care", "Failed to Provide", "Failed to provide 00000",
        "General Delivery", "GENERAL DELIVERY, HOUSTON", "N/A", "n.a./n.a. N/A unknown",
        "Homeless", "Same as above", "same as mailing address", "TBD", "Refused", "xxx",
        "X X X", "Aaaa", "LNU", "FNU", "No fixed address", "Do not care", "asdf", "Ünknówn", "Unk\u200bnown",
        "Not provided",
    ],
)  # fmt: skip
def test_a_placeholder_is_seen_through(text: str) -> None:
    assert is_placeholder(text, RULES)


@pytest.mark.parametrize(
    "text",
    [
        "García", "Nguyen", "O", "Na", "Oo", "Lee", "Null", "Sample", "Street", "True", "Don", "Tess",
        "Nunez", "Main St", "5th Ave", "X St", "Unknownia", "Carewell Ln", "Delivery Way", "Testament Rd",
        "Houston", "王", "None", "none.", "Same", "Test", "Nil",
    ],
)  # fmt: skip
def test_a_real_name_or_street_is_none(text: str) -> None:
    assert not is_placeholder(text, RULES)


@given(
    st.sampled_from(["Don't Care", "Unknown", "Failed to Provide", "N/A", "Homeless"]),
    st.text("0123456789 -.,", max_size=9),
)
def test_figures_and_signs_hide_no_placeholder(phrase: str, noise: str) -> None:
    assert is_placeholder(f"{noise} {phrase} {noise}", RULES)
    assert is_placeholder(f"{phrase.swapcase()} {noise}", RULES)


@pytest.mark.parametrize(
    ("zip_code", "state"),
    [
        ("00501", "NY"), ("00601", "PR"), ("00801", "VI"), ("00901", "PR"), ("01001", "MA"), ("05501", "MA"),
        ("02801", "RI"), ("03031", "NH"), ("03901", "ME"), ("05001", "VT"), ("06001", "CT"), ("06390", "NY"),
        ("07001", "NJ"), ("09012", "AE"), ("10001", "NY"), ("15001", "PA"), ("19701", "DE"), ("20001", "DC"),
        ("20101", "VA"), ("20601", "MD"), ("22003", "VA"), ("24701", "WV"), ("27006", "NC"), ("29001", "SC"),
        ("30002", "GA"), ("32003", "FL"), ("34002", "AA"), ("34102", "FL"), ("35004", "AL"), ("37010", "TN"),
        ("38601", "MS"), ("39813", "GA"), ("40003", "KY"), ("42223", "KY"), ("42223", "TN"), ("43001", "OH"),
        ("46001", "IN"), ("48001", "MI"), ("50001", "IA"), ("53001", "WI"), ("55001", "MN"), ("56901", "DC"),
        ("57001", "SD"), ("58001", "ND"), ("59001", "MT"), ("60001", "IL"), ("63001", "MO"), ("66002", "KS"),
        ("68001", "NE"), ("70001", "LA"), ("71601", "AR"), ("73001", "OK"), ("73301", "TX"), ("75001", "TX"),
        ("80001", "CO"), ("82001", "WY"), ("83201", "ID"), ("83414", "WY"), ("84001", "UT"), ("85001", "AZ"),
        ("87001", "NM"), ("88510", "TX"), ("88901", "NV"), ("90001", "CA"), ("96201", "AP"), ("96701", "HI"),
        ("96799", "AS"), ("96910", "GU"), ("96950", "MP"), ("96940", "PW"), ("96941", "FM"), ("96960", "MH"),
        ("97001", "OR"), ("98001", "WA"), ("99501", "AK"), ("77002-1234", "tx"),
        ("2134", "MA"), ("2134", "Massachusetts"), ("501", "NY"), ("926-1234", "Puerto Rico"),
    ],
)  # fmt: skip
def test_a_zip_code_fits_its_state(zip_code: str, state: str) -> None:
    assert zip_fits_state(zip_code, state, RULES)


@pytest.mark.parametrize(
    ("zip_code", "state"),
    [
        ("77002", "CA"), ("06390", "CT"), ("96799", "HI"), ("96701", "AS"), ("83414", "ID"), ("73301", "OK"),
        ("00000", "NY"), ("35301", "AL"), ("7700", "TX"), ("", "TX"), ("77002", ""), ("77002", "Tejas"),
        ("77002", "ZZ"), ("34002", "FL"), ("7700２", "AK"),
    ],
)  # fmt: skip
def test_a_zip_code_of_elsewhere_or_nowhere_does_not_fit(zip_code: str, state: str) -> None:
    assert not zip_fits_state(zip_code, state, RULES)


def test_every_state_territory_and_military_post_has_zip_codes() -> None:
    by_prefix = frozenset[str]().union(*RULES.states_by_prefix.values())
    by_zip = frozenset[str]().union(*RULES.states_by_zip.values())
    assert len(by_prefix | by_zip) == 50 + 1 + 8 + 3
    # USPS assigns 933 of the 1,000 prefixes; all but those of Guam and its neighbours lie in one state.
    assert len(RULES.states_by_prefix) == 933
    assert {prefix for prefix, states in RULES.states_by_prefix.items() if len(states) > 1} == {"969"}


COMPLETE = {
    "street_number": "120",
    "street_name": "N Chestnut St",
    "po_box": "",
    "city": "Houston",
    "state": "TX",
    "zip_code": "77002",
}


def complete(form: str = "us", **changes: str) -> bool:
    return is_complete_address(**{**COMPLETE, **changes}, rules=RULES, form=form)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"street_number": "12345"},
        {"street_number": "120A"},
        {"street_number": "120 1/2"},
        {"street_number": "37-12"},
        {"street_number": "N6W23001"},
        {"street_number": "26W482"},
        {"street_number": "G1075"},
        {"street_number": "AA-17"},
        {"street_number": "Km 1.7"},
        {"street_number": "One"},
        {"street_number": "", "street_name": "RR 2 Box 15"},
        {"street_number": "", "street_name": "RR 2 Box 15A Bryan Dairy Rd"},
        {"street_number": "", "street_name": "HC 61", "po_box": "30"},
        {"street_number": "", "street_name": "", "po_box": "RFD 2 Box 15"},
        {
            "street_number": "",
            "street_name": "PSC 817 Box 5",
            "city": "FPO",
            "state": "AE",
            "zip_code": "09622",
        },
        {"street_number": "", "street_name": "", "po_box": "PO Drawer 12"},
        {"street_number": "", "street_name": "Apartado 12"},
        {"state": "Texas"},
        {"zip_code": "2134", "state": "MA"},
        {"zip_code": "926", "state": "Puerto Rico"},
        {"city": "Street", "state": "MD", "zip_code": "21154"},
        {"street_number": "", "street_name": "PO Box 123"},
        {"street_name": "5th Ave"},
        {"zip_code": "77002-1234"},
    ],
)
def test_a_real_address_is_complete(changes: dict[str, str]) -> None:
    assert complete(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"street_number": ""},
        {"street_number": "0"},
        {"street_number": "Don't Care 12345"},
        {"street_number": "12345 Dont Care"},
        {"street_number": "one of these"},
        {"street_number": "zero"},
        {"street_number": "N/A 12"},
        {"street_number": "A012345678"},
        {"street_name": ""},
        {"street_name": "Don't Care 12345"},
        {"street_name": "Unknown St"},
        {"street_name": "General Delivery"},
        {"street_name": "NA"},
        {"street_name": "12345"},
        {"street_name": "Unknown", "po_box": "123"},
        {"street_number": "", "street_name": "", "po_box": ""},
        {"street_number": "", "street_name": "", "po_box": "none"},
        {"street_number": "", "street_name": "", "po_box": "PO Box"},
        {"street_number": "", "street_name": "", "po_box": "000"},
        {"city": ""},
        {"city": "Unknown"},
        {"city": "77002"},
        {"state": ""},
        {"state": "OK"},
        {"zip_code": ""},
        {"zip_code": "7700"},
        {"zip_code": "2134", "state": "TX"},
        {"city": "Street"},
        {"street_number": "", "street_name": "RR 2"},
        {"street_number": "", "street_name": "RR Box 15"},
        {"street_number": "", "street_name": "PSC Box 5", "city": "FPO", "state": "AE", "zip_code": "09622"},
        {"zip_code": "90001"},
        {"street_name": "Chest\u202enut St"},
    ],
)
def test_an_address_with_a_part_absent_or_unreal_is_not_complete(changes: dict[str, str]) -> None:
    assert not complete(**changes)


def test_the_australian_form_takes_four_digits_and_holds_no_state_against_them() -> None:
    assert complete("au", state="NSW", zip_code="2000")
    assert not complete("au", state="NSW", zip_code="77002")
    assert not complete("au", state="", zip_code="2000")


def test_the_rules_label_names_version_and_digest() -> None:
    assert re.fullmatch(r"rules/[0-9.]+\+[0-9a-f]{12}", RULES.label)
