"""Faulty conditions: reported when the agreement is loaded, or not holding when they raise an error."""

import logging

import pytest
from glomar_schemas.agreement.model import Agreement
from glomar_schemas.errors import Malformed
from glomar_verifier.policy.gate import Gate
from msgspec.structs import replace

from tests.support.model_request import failed, model_agreement, model_particulars
from tests.support.registers import RULES


def one_condition(holds: str) -> Agreement:
    condition = replace(model_agreement().conditions[0], id="L77", holds=holds)
    return replace(model_agreement(), conditions=(condition,))


@pytest.mark.parametrize(
    "holds",
    [
        "allowed.statutes[request.id] == []",
        "1 / 0 == 1",
        "9223372036854775807 + 1 > 0",
        "particulars.relief_pending < 3",
        "days_between(particulars.date_of_birth, today) > 0",
        "days_between(particulars.last_name, today) > 0",
        "year_of(today)",
        "'true'",
        "null",
    ],
)
def test_a_condition_that_errors_or_is_no_yes_or_no_has_failed(holds: str) -> None:
    assert failed({}, one_condition(holds)) == ["L77"]


def test_a_function_that_fails_quotes_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert failed({}, one_condition("days_between(particulars.last_name, today) > 0")) == ["L77"]
    assert model_particulars().last_name not in caplog.text


@pytest.mark.parametrize(
    "holds",
    [
        "request.tax_periods.all(year, year > 2000)",
        "zip_fits_state(particulars.zip, particulars.state)",
        "particulars.last_name != 'the request, the facts and particulars.nonsense'",
        "agreement.limits.days_after_order == 90 && agreement.holder == 'irs'",
        "particulars.reason.contains('address') && request.agency.startsWith('i')",
    ],
)
def test_another_agreement_may_use_other_words(holds: str) -> None:
    assert failed({}, one_condition(holds)) == []


@pytest.mark.parametrize(
    ("holds", "fault"),
    [
        ("request.ground ==", "condition L77: not CEL"),
        ("register.name == 'x'", "condition L77: unknown variable register"),
        ("request.grund == 'x'", "condition L77: request has no field grund"),
        ("particulars.ssn == 'x'", "condition L77: particulars has no field ssn"),
        ("facts.lucky", "condition L77: facts has no field lucky"),
        ("limits.days == 3", "condition L77: limits has no field days"),
        ("open('/etc/passwd') == ''", "condition L77: unknown function open"),
        ("size(particulars.reason) > 3", "condition L77: unknown function size"),
        ("is_placeholder(particulars)", "condition L77: particulars is used whole"),
        ("request['statute'] == 'x'", "condition L77: request is used whole"),
        ("request.tax_periods.all(year, yaer > 3)", "condition L77: unknown variable yaer"),
    ],
)
def test_an_expression_that_mentions_the_unknown_is_found_when_the_agreement_is_loaded(
    holds: str, fault: str
) -> None:
    with pytest.raises(Malformed, match=f"^{fault}"):
        Gate(one_condition(holds), RULES)


@pytest.mark.parametrize("zone", ["America/Gotham", "", "../etc/passwd", "/etc/localtime"])
def test_an_unknown_time_zone_is_found_when_the_agreement_is_loaded(zone: str) -> None:
    with pytest.raises(Malformed, match="no such time zone"):
        Gate(replace(model_agreement(), time_zone=zone), RULES)
