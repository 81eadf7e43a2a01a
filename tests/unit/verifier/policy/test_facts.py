"""What the agreement's lists say about a request."""

from datetime import date

from glomar_verifier.policy.facts import Counted, Engagement, Registry
from msgspec.structs import asdict, replace

from tests.support.model_request import model_agreement, model_input, model_request


def test_what_the_agreement_lists_becomes_a_fact() -> None:
    counted = Counted(
        people_with_same_reason=2,
        open_cases_of_officer=3,
        addresses_of_name=4,
        people_at_address=5,
        requests_of_officer=6,
        requests_in_case=7,
        requests_of_day=8,
        id_reused=False,
    )
    registry = Registry(model_agreement())
    request = model_request(automated_analysis="AI-2025-001")
    engaged = Engagement(case_open=True, officer_engaged=True)
    facts = registry.facts(request, counted, engaged, date(2025, 6, 2), agreement_current=True)
    assert facts.delegation_valid and facts.officer_registered and facts.analysis_notified
    assert facts.safeguards_current and facts.agreement_current
    assert facts.case_open and facts.officer_engaged
    assert asdict(facts).items() >= asdict(counted).items()
    before = registry.facts(request, counted, engaged, date(2025, 4, 6), agreement_current=False)
    assert not before.agreement_current and not before.delegation_valid


def test_a_certificate_that_was_renewed_is_current() -> None:
    (old,) = model_agreement().safeguards
    renewed = replace(model_agreement(), safeguards=(replace(old, valid_until=date(2040, 1, 1)), old))
    counted, today = model_input().facts, date(2039, 1, 1)
    facts = Registry(renewed).facts(model_request(), counted, Engagement(), today, agreement_current=True)
    assert facts.safeguards_current
