"""The JSON Schemas of the messages, from the Structs that the code decodes with. Called by generated.py."""

import json
from typing import Any

import msgspec
from glomar_schemas.agreement import Agreement
from glomar_schemas.envelope import Envelope
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


def json_schema(name: str) -> bytes:
    """The schema of one message, draft 2020-12, as a file's content."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:glomar:schema:v1:{name}",
        "title": KINDS[name].__name__,
    }
    body = _portable(msgspec.json.schema(KINDS[name], schema_hook=_any_value))
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
