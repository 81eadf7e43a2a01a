"""The three applications switch off what FastStream does by default, as the built applications show."""

import pytest
from faststream import AckPolicy
from faststream.asgi import AsgiFastStream
from glomar_auditor.app import build_app as build_auditor
from glomar_auditor.settings import AuditorSettings
from glomar_local import ports
from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_local.provision.provision import provision
from glomar_requester.service.app import build_app as build_requester
from glomar_requester.settings import RequesterSettings
from glomar_runtime.bus.broker import Bus as Broker
from glomar_runtime.service import Stop
from glomar_runtime.settings import load_settings
from glomar_verifier.app import build_app as build_verifier
from glomar_verifier.settings import VerifierSettings

Built = tuple[AsgiFastStream, Broker]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """The three applications as `serve` builds them, not started."""
    layout = Layout(tmp_path_factory.mktemp("built").resolve())
    system = provision(layout, ports.free())
    population.make_register(layout, system.agreement, None)
    verifier = load_settings(VerifierSettings, layout.settings("verifier"))
    auditor = load_settings(AuditorSettings, layout.settings("auditor"))
    requester = load_settings(RequesterSettings, layout.settings("requester"))
    return {
        "verifier": build_verifier(verifier, Stop()),
        "auditor": build_auditor(auditor, Stop()),
        "requester": build_requester(requester, Stop()),
    }


@pytest.mark.parametrize("service", ["verifier", "auditor", "requester"])
def test_no_subscriber_acknowledges_replies_or_declares_by_itself(
    built: dict[str, Built], service: str
) -> None:
    _, broker = built[service]
    assert broker.subscribers

    for subscriber in broker.subscribers:
        assert subscriber.ack_policy is AckPolicy.MANUAL
        assert subscriber._no_reply is True
        stream = getattr(subscriber, "stream", None)
        assert stream is None or stream.declare is False
