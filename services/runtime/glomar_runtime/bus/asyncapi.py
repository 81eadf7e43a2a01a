"""Our messages in FastStream's AsyncAPI: by reference to the JSON Schemas of the contract. Called by the bus.

FastStream describes payloads through pydantic, which knows no msgspec Structs and tries to resolve references
by itself. So it is given a note, which `document` turns into the reference.
"""

from typing import Any

from faststream.asgi import AsgiFastStream
from faststream.specification.asyncapi import AsyncAPI
from msgspec import Struct

NOTE = "x-json-schema"


def payload(kind: type[Struct]) -> type:
    """A stand-in annotation whose JSON Schema is `json/<name>.schema.json` of the contract."""
    name = kind.__struct_config__.tag or kind.__name__.lower()

    class Payload:
        @classmethod
        def __get_pydantic_core_schema__(cls, source: object, handler: object) -> dict[str, Any]:
            return {"type": "any"}

        @classmethod
        def __get_pydantic_json_schema__(cls, schema: object, handler: object) -> dict[str, Any]:
            return {"type": "object", "title": kind.__name__, NOTE: f"json/{name}.schema.json"}

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
    found = _referring(specification.to_specification().to_jsonable())
    assert isinstance(found, dict)
    return found


def _referring(node: object) -> object:
    if isinstance(node, dict):
        if NOTE in node:
            return {"$ref": node[NOTE]}
        return {name: _referring(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_referring(value) for value in node]
    return node
