"""The AsyncAPI document of the three services, generated from their applications."""

import json
import tempfile
from pathlib import Path
from typing import Any

import glomar_auditor.app
import glomar_requester.service.app
import glomar_verifier.app
from faststream.asgi import AsgiFastStream
from faststream.specification.asyncapi import AsyncAPI
from glomar_auditor.settings import AuditorSettings
from glomar_evaluation.synth.people import write_register
from glomar_local.layout import Layout
from glomar_local.ports import Ports
from glomar_local.provision.provision import provision
from glomar_requester.settings import RequesterSettings
from glomar_runtime.bus.broker import SCHEMA_MARKER
from glomar_runtime.service import Stop
from glomar_runtime.settings import load_settings
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.register.build import build
from glomar_verifier.settings import VerifierSettings

PORTS = Ports(4222, 8001, 8002, 8003, 8004)


def asyncapi() -> bytes:
    """The document as JSON, which is also YAML. The services are built in a temporary directory."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder) / "data")
        provision(layout, PORTS)
        write_register(10, 1, layout.register_csv)
        build(layout.register_csv, layout.register, load_rules())
        stop = Stop()
        requester, _ = glomar_requester.service.app.build_app(
            load_settings(RequesterSettings, layout.settings("requester")), stop
        )
        verifier, _ = glomar_verifier.app.build_app(
            load_settings(VerifierSettings, layout.settings("verifier")), stop
        )
        auditor, _ = glomar_auditor.app.build_app(
            load_settings(AuditorSettings, layout.settings("auditor")), stop
        )
        return json.dumps(document(requester, verifier, auditor), indent=2, sort_keys=True).encode() + b"\n"


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
        if SCHEMA_MARKER in node:
            return {"$ref": node[SCHEMA_MARKER]}
        return {name: _with_references(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_references(value) for value in node]
    return node
