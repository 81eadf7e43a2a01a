"""Runs the accepted and refused examples that an agreement's conditions bring along. Called by
`agreement check`, and by whoever needs a lawful request under an agreement; pure."""

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


class Question(Struct, frozen=True):
    """All that the gate needs to decide one request; what the request seals is left empty."""

    request: Request
    particulars: Subject
    facts: Facts
    now: datetime


def outcome(agreement: Agreement, changes: Mapping[str, object], gate: Gate) -> list[str]:
    """The ids of the conditions that the agreement's example fails with `changes`. Raises as `question`."""
    asked = question(agreement, changes, gate)
    refusals = gate.refusals(asked.request, asked.particulars, asked.facts, asked.now)
    return [refusal.condition for refusal in refusals]


def question(agreement: Agreement, changes: Mapping[str, object], gate: Gate) -> Question:
    """The agreement's example with `changes` (dotted field -> value) laid over it.

    The facts follow from the agreement's lists, unless the example or a change states them. Raises
    Malformed if the agreement brings no example, and for an unknown field or a value of the wrong type.
    """
    if agreement.example is None:
        raise Malformed("has no [example] to try its conditions on", where=agreement.id)
    tree = _laid_over(agreement.example, changes)
    stated = {
        "type": "request",
        "agreement": agreement.id,
        "agreement_digest": _DIGEST,
        "particulars": msgspec.to_builtins(_UNSEALED),
        "subject": Subjects(agreement.id).request(
            str(tree["request"].get("agency")), str(tree["request"].get("id"))
        ),
    }
    request = _convert(stated | tree["request"], Request, "request")
    now = _convert(tree["now"], datetime, "now")
    facts = Registry(agreement).facts(
        request, FIRST_OF_ITS_KIND, Engagement(), gate.today(now), agreement_current=True
    )
    known = msgspec.to_builtins(facts, builtin_types=(timedelta,))
    return Question(
        request=request,
        particulars=_convert({"type": "subject"} | tree["particulars"], Subject, "particulars"),
        facts=_convert(known | tree["facts"], Facts, "facts"),
        now=now,
    )


def _laid_over(example: Example, changes: Mapping[str, object]) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.to_builtins(example, builtin_types=(datetime, timedelta))
    for path, value in changes.items():
        *tables, field = path.split(".")
        place = tree
        for table in tables:
            inner = place.get(table)
            if not isinstance(inner, dict):
                raise Malformed("no such field in the example", where=path)
            place = inner
        if value == "" and place is tree["particulars"] and field in Subject.__struct_fields__:
            # TOML has no null: as in the files of requests, empty means not given.
            place.pop(field, None)
        else:
            place[field] = value
    return tree


def _convert(value: object, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Malformed(str(error), where=f"example: {where}") from None
