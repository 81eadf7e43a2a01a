"""The AsyncAPI document of the three services, from the applications that run. For `tests.generate`."""

import json
import tempfile
from pathlib import Path

import glomar_auditor.app
import glomar_requester.service.app
import glomar_verifier.app
from glomar_auditor.settings import AuditorSettings
from glomar_evaluation.synth.people import write_register
from glomar_local.layout import Layout
from glomar_local.ports import Ports
from glomar_local.provision.provision import provision
from glomar_requester.settings import RequesterSettings
from glomar_runtime.bus.asyncapi import document
from glomar_runtime.service import Stop
from glomar_runtime.settings import load_settings
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.register.build import build
from glomar_verifier.settings import VerifierSettings

PORTS = Ports(4222, 8001, 8002, 8003, 8004)


def asyncapi() -> bytes:
    """JSON, which is YAML too. The services are built on a data directory of their own, and not started."""
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
