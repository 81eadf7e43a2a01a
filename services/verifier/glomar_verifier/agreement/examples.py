"""Runs the accepted and refused examples in an agreement's conditions. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from glomar_schemas.agreement.model import Agreement, Example
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Request, Sealed, Subject
from glomar_schemas.subjects import Subjects
from msgspec import Struct

from glomar_verifier.policy.facts import Counted, Engagement, Facts, Registry
from glomar_verifier.policy.gate import Gate

T = TypeVar("T")

_DIGEST = "0" * 64
_UNSEALED = Sealed(key_id="0" * 32, wrap=bytes(113), nonce=bytes(12), ciphertext=b"")
FIRST_OF_ITS_KIND = Counted(
    **{fact: 1 for fact in Counted.__struct_fields__ if fact != "id_reused"}, id_reused=False
)


class GateInput(Struct, frozen=True):
    """What the gate needs for one request. The sealed particulars of the request are left empty."""

    request: Request
    particulars: Subject
    facts: Facts
    now: datetime


def outcome(agreement: Agreement, changes: Mapping[str, object], gate: Gate) -> list[str]:
    """The ids of the conditions that the agreement's example fails with `changes`. Raises as `gate_input`."""
    tried = gate_input(agreement, changes, gate)
    refusals = gate.refusals(tried.request, tried.particulars, tried.facts, tried.now)
    return [refusal.condition for refusal in refusals]


def gate_input(agreement: Agreement, changes: Mapping[str, object], gate: Gate) -> GateInput:
    """The agreement's example with `changes` (dotted field -> value) applied to it.

    The facts follow from the agreement's lists, unless the example or a change states them. Raises Malformed
    if the agreement has no example, for an unknown field and for a value of the wrong type.
    """
    if agreement.example is None:
        raise Malformed("has no [example], on which its conditions are tried", where=agreement.id)
    tree = _with_changes(agreement.example, changes)
    defaults = {
        "type": "request",
        "agreement": agreement.id,
        "agreement_digest": _DIGEST,
        "particulars": msgspec.to_builtins(_UNSEALED),
        "subject": Subjects(agreement.id).request(
            str(tree["request"].get("agency")), str(tree["request"].get("id"))
        ),
    }
    request = _convert(defaults | tree["request"], Request, "request")
    now = _convert(tree["now"], datetime, "now")
    facts = Registry(agreement).facts(
        request, FIRST_OF_ITS_KIND, Engagement(), gate.today(now), agreement_current=True
    )
    derived = msgspec.to_builtins(facts, builtin_types=(timedelta,))
    return GateInput(
        request=request,
        particulars=_convert({"type": "subject"} | tree["particulars"], Subject, "particulars"),
        facts=_convert(derived | tree["facts"], Facts, "facts"),
        now=now,
    )


def _with_changes(example: Example, changes: Mapping[str, object]) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.to_builtins(example, builtin_types=(datetime, timedelta))
    for path, value in changes.items():
        *tables, field = path.split(".")
        target = tree
        for table in tables:
            inner = target.get(table)
            if not isinstance(inner, dict):
                raise Malformed("no such field in the example", where=path)
            target = inner
        if value == "" and target is tree["particulars"] and field in Subject.__struct_fields__:
            # TOML has no null: as in request files, empty means not given.
            target.pop(field, None)
        else:
            target[field] = value
    return tree


def _convert(value: object, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Malformed(str(error), where=f"example: {where}") from None
