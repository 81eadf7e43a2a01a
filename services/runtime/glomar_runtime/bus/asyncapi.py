"""FastStream's AsyncAPI document with references to the JSON Schemas of the contract.

FastStream describes payloads through pydantic, which does not support msgspec Structs and resolves references
itself. So `payload` gives it a marker, which `document` replaces by the reference.
"""

from typing import Any

from faststream.asgi import AsgiFastStream
from faststream.specification.asyncapi import AsyncAPI
from msgspec import Struct

MARKER = "x-json-schema"


def payload(kind: type[Struct]) -> type:
    """An annotation whose JSON Schema is `json/<name>.schema.json` of the contract."""
    name = kind.__struct_config__.tag or kind.__name__.lower()

    class Payload:
        @classmethod
        def __get_pydantic_core_schema__(cls, source: object, handler: object) -> dict[str, Any]:
            return {"type": "any"}

        @classmethod
        def __get_pydantic_json_schema__(cls, schema: object, handler: object) -> dict[str, Any]:
            return {"type": "object", "title": kind.__name__, MARKER: f"json/{name}.schema.json"}

    Payload.__name__ = Payload.__qualname__ = kind.__name__
    return Payload


def document(*apps: AsgiFastStream) -> dict[str, Any]:
    """AsyncAPI 3 of several services on one bus."""
    brokers = [broker for app in apps for broker in app.brokers]
    specification = AsyncAPI(
        *brokers,
        title="Glomar",
        version="1",
        description="See PROTOCOL.md. Stored bodies are DSSE envelopes; the schema is that of their payload.",
    )
    resolved = _with_references(specification.to_specification().to_jsonable())
    assert isinstance(resolved, dict)
    return resolved


def _with_references(node: object) -> object:
    if isinstance(node, dict):
        if MARKER in node:
            return {"$ref": node[MARKER]}
        return {name: _with_references(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_references(value) for value in node]
    return node
