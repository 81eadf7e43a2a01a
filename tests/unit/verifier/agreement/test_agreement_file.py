"""The first agreement's file, as a lawyer would check it, and the command that describes it."""

import pytest
from glomar_schemas.agreement.model import Condition
from glomar_schemas.errors import Malformed
from glomar_verifier.agreement.examples import gate_input
from msgspec.structs import replace

from tests.support.model_request import failed, model_agreement, model_gate

CONDITIONS = model_agreement().conditions


def test_it_holds_the_conditions_in_order() -> None:
    ids = [condition.id for condition in CONDITIONS]
    no_fishing = ["L9a", "L9b", "L9c", "L9d", "L9e"]
    assert ids == ["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", *no_fishing, "L10", "L11"]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.id)
def test_every_accepted_example_is_accepted(condition: Condition) -> None:
    assert condition.accepted
    assert failed(condition.accepted) == []


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.id)
def test_every_refused_example_fails_its_condition_and_no_other(condition: Condition) -> None:
    assert failed(condition.refused) == [condition.id]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.id)
def test_every_refusal_fits_into_an_answer(condition: Condition) -> None:
    assert 0 < len(condition.refusal) <= 120
    assert 0 < len(condition.citation) <= 60


def test_two_secretaries_signed_and_oversight_is_a_third_party() -> None:
    parties = model_agreement().parties
    assert parties["irs"].signatory == "Secretary of the Treasury"
    assert parties["ice"].signatory == "Secretary of Homeland Security"
    assert model_agreement().oversight not in ("irs", "ice")


def test_there_are_two_circumstances_and_one_use() -> None:
    allowed = model_agreement().allowed
    assert (
        set(allowed.grounds) == set(allowed.statutes) == {"criminal-investigation", "removal-order-90-days"}
    )
    assert allowed.statutes["removal-order-90-days"] == ("8 U.S.C. 1253(a)(1)(A)",)
    assert list(allowed.intended_uses) == ["criminal-investigation"]


def test_every_federal_district_is_a_jurisdiction() -> None:
    jurisdictions = model_agreement().allowed.jurisdictions
    assert len(set(jurisdictions)) == len(jurisdictions) == 1 + 94


def test_it_says_how_answers_are_handled_and_when_they_end() -> None:
    retention = model_agreement().retention
    assert (retention.audit_years, retention.particulars_days, retention.answer_days) == (7, 180, 30)
    assert len(model_agreement().handling) >= 8
    assert any("Office of Safeguards" in rule for rule in model_agreement().handling)


def test_it_brings_no_keys_since_each_deployment_adds_its_own() -> None:
    assert model_agreement().keys == ()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"request.grund": "x"}, "example: request: .*unknown field `grund`"),
        ({"request.tax_periods": "2023"}, "example: request: Expected `array`"),
        ({"request.offizier.id": "x"}, "request.offizier.id: no such field"),
        ({"facts.lucky": True}, "example: facts: .*unknown field `lucky`"),
        ({"now": "tomorrow"}, "example: now: "),
    ],
)
def test_an_example_that_fits_no_message_is_named(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(Malformed, match=fault):
        gate_input(model_agreement(), changes, model_gate())


def test_an_agreement_without_an_example_can_not_be_checked() -> None:
    with pytest.raises(Malformed, match=r"no \[example\]"):
        gate_input(replace(model_agreement(), example=None), {}, model_gate())


def test_an_example_may_leave_out_a_particular_by_saying_that_it_is_empty() -> None:
    particulars = gate_input(
        model_agreement(), {"particulars.final_order_date": ""}, model_gate()
    ).particulars
    assert particulars.final_order_date is None
