"""The JSON Schemas of the messages, from the Structs that the code decodes with. Called by generated.py."""

import json
from typing import Any

import msgspec
from glomar_schemas.agreement.model import Agreement
from glomar_schemas.crypto.dsse import Envelope
from glomar_schemas.messages import (
    Ack,
    Answer,
    Control,
    Notice,
    Notices,
    NoticesQuery,
    Recall,
    Release,
    Request,
    ResultPending,
    ResultQuery,
    Sealed,
    Subject,
    Tags,
    Verdict,
)

KINDS: dict[str, type[Any]] = {
    "ack": Ack,
    "agreement": Agreement,
    "answer": Answer,
    "control": Control,
    "envelope": Envelope,
    "notice": Notice,
    "notices": Notices,
    "notices-query": NoticesQuery,
    "recall": Recall,
    "release": Release,
    "request": Request,
    "result-pending": ResultPending,
    "result-query": ResultQuery,
    "sealed": Sealed,
    "subject": Subject,
    "tags": Tags,
    "verdict": Verdict,
}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_SEQUENCE = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z$"
LEAF: dict[str, Any] = {
    "description": "An entry of the ledger: a message of the stream, or a sequence that it lost unrecorded.",
    "oneOf": [
        _object(
            body_sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
            seq=_SEQUENCE,
            subject={"type": "string"},
            time={"type": "string", "pattern": _TIME},
        ),
        _object(gap={"const": True}, seq=_SEQUENCE),
    ],
}
"""By hand: the code compares bytes, which says more than any schema can."""


def leaf_schema() -> bytes:
    return _file("leaf", "Leaf", LEAF)


def json_schema(name: str) -> bytes:
    """The schema of one message, draft 2020-12, as a file's content."""
    body = _portable(msgspec.json.schema(KINDS[name], schema_hook=_any_value))
    return _file(name, KINDS[name].__name__, body)


def _file(name: str, title: str, body: dict[str, Any]) -> bytes:
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:glomar:schema:v1:{name}",
        "title": title,
    }
    return json.dumps(head | body, indent=2, ensure_ascii=False).encode() + b"\n"


def _any_value(kind: type) -> dict[str, Any]:
    """An agreement's examples hold values of any type."""
    if kind is object:
        return {"description": "a value of any type"}
    raise NotImplementedError(kind)


def _portable(node: Any) -> Any:
    """Python's `\\Z` -> `$`: JSON Schema's patterns are ECMA-262, where `\\Z` is the letter Z."""
    if isinstance(node, dict):
        return {
            key: value.replace(r"\Z", "$")
            if key == "pattern" and isinstance(value, str)
            else _portable(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_portable(value) for value in node]
    return node
