"""Which controls concern an agency."""

import pytest
from glomar_auditor.releasing.notices import concerns
from glomar_schemas.agreement.controls import Hold, InForce
from msgspec.structs import replace

from tests.support import samples

BEFORE = InForce(1)


def holding(scope: str) -> InForce:
    return replace(BEFORE, slot=2, holds=(Hold(2, scope, "Order"),))


@pytest.mark.parametrize(
    ("scope", "concerned"),
    [
        ("all", True),
        ("agency:ice", True),
        ("agency:cbp", False),
        ("jurisdiction:US-MN", True),
        ("person:0a1b", False),
        ("person:ice", False),
    ],
)
def test_a_hold_and_its_lift_are_sent_to_the_agencies_that_they_concern(scope: str, concerned: bool) -> None:
    assert concerns(BEFORE, holding(scope), "ice") is concerned
    assert concerns(holding(scope), replace(BEFORE, slot=3), "ice") is concerned


def test_keys_are_sent_to_all_and_void_controls_to_none() -> None:
    key = samples.RECORDS[0]
    assert concerns(BEFORE, replace(BEFORE, slot=2, added=(key,)), "ice")
    assert concerns(BEFORE, replace(BEFORE, slot=2, shredded=frozenset({"0" * 32})), "ice")
    assert not concerns(BEFORE, replace(BEFORE, slot=2), "ice")
