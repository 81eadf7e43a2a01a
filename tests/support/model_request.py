"""The first agreement's own lawful request, and variations of it.

Changes have dotted fields, as in the agreement's examples:
`model_input({"request.statute": "8 U.S.C. 1326"})`.
"""

from datetime import datetime
from functools import cache
from pathlib import Path

from glomar_schemas.agreement.model import Agreement, parse_agreement
from glomar_schemas.messages import Request, Subject
from glomar_verifier.agreement.examples import GateInput, gate_input
from glomar_verifier.policy.gate import Gate
from msgspec.structs import replace

from tests.support.registers import RULES

AGREEMENT_FILE = Path(__file__).resolve().parents[2] / "schemas/agreements/irs-ice-2025/agreement.toml"


@cache
def model_agreement() -> Agreement:
    return parse_agreement(AGREEMENT_FILE.read_bytes(), where=AGREEMENT_FILE.name)


@cache
def model_gate() -> Gate:
    return Gate(model_agreement(), RULES)


def model_input(changes: dict[str, object] | None = None) -> GateInput:
    """The lawful request with these changes."""
    return gate_input(model_agreement(), changes or {}, model_gate())


def failed(changes: dict[str, object], agreement: Agreement | None = None) -> list[str]:
    """The ids of the conditions that the changed request fails, under the first agreement or that one."""
    gate = Gate(agreement, RULES) if agreement else model_gate()
    changed = gate_input(agreement or model_agreement(), changes, gate)
    refusals = gate.refusals(changed.request, changed.particulars, changed.facts, changed.now)
    return [refusal.condition for refusal in refusals]


def model_now() -> datetime:
    """The moment at which the model request is decided: 2 June 2025, 11:00 in New York."""
    return model_input().now


def model_request(**changes: object) -> Request:
    """The clear part; nothing is sealed in it."""
    return replace(model_input().request, **changes)


def model_particulars(**changes: object) -> Subject:
    return replace(model_input().particulars, **changes)
