"""One request is one trace through all three services, as their exporters send it to the receiver."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from glomar_runtime.telemetry.otlp import ALLOWED_ATTRIBUTES
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration import http_api
from tests.support.polling import wait_until
from tests.support.requesting import confirmable
from tests.support.running_system import RunningSystem

Tree = dict[str, "Tree"]
Found = tuple[str, Span]
"""A service's name, and a span of it."""

ROOT = "glomar.irs-ice-2025"
TREE: Tree = {
    "requester POST /v1/requests SERVER": {
        f"requester send {ROOT}.request.{{agency}}.{{request_id}} PRODUCER": {
            f"auditor process {ROOT}.request.{{agency}}.{{request_id}} CONSUMER": {},
            f"verifier process {ROOT}.request.{{agency}}.{{request_id}} CONSUMER": {
                "verifier gate INTERNAL": {},
                "verifier match INTERNAL": {},
                f"verifier send {ROOT}.verdict.{{agency}}.{{request_id}} PRODUCER": {
                    f"auditor process {ROOT}.verdict.{{agency}}.{{request_id}} CONSUMER": {
                        f"auditor send {ROOT}.release.{{agency}}.{{request_id}} PRODUCER": {
                            f"requester process {ROOT}.release.{{agency}}.{{request_id}} CONSUMER": {},
                        },
                    },
                },
            },
        },
    },
}
SPANS = 10


def exported(database: Path) -> Iterator[Found]:
    """Every span that the receiver has stored."""
    with closing(sqlite3.connect(database)) as store:
        for (body,) in store.execute("SELECT spans FROM body"):
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                attributes = {pair.key: pair.value.string_value for pair in of_resource.resource.attributes}
                service = attributes["service.name"].removeprefix("glomar-")
                for scope in of_resource.scope_spans:
                    yield from ((service, span) for span in scope.spans)


def tree(spans: list[Found], parent: bytes) -> Tree:
    """Names and kinds of the spans below `parent`."""
    return {
        f"{service} {span.name} {Span.SpanKind.Name(span.kind).removeprefix('SPAN_KIND_')}": tree(
            spans, span.span_id
        )
        for service, span in sorted(spans, key=lambda found: (found[0], found[1].name))
        if span.parent_span_id == parent
    }


@pytest.fixture(scope="module")
def trace(system: RunningSystem) -> list[Found]:
    """The spans of one request over HTTP, from a system that already has a trace."""
    trace_id = "7a" * 16
    header = {"traceparent": f"00-{trace_id}-{'5b' * 8}-01"}
    body = msgspec.json.encode(confirmable(1)[0])
    assert http_api.post(system, "/v1/requests", body, header).status == 202

    def spans() -> list[Found]:
        return [each for each in exported(system.layout.traces) if each[1].trace_id.hex() == trace_id]

    assert wait_until(lambda: len(spans()) >= SPANS, 30), tree(spans(), bytes.fromhex("5b" * 8))
    return spans()


def test_one_request_is_one_tree_of_spans(trace: list[Found]) -> None:
    assert tree(trace, bytes.fromhex("5b" * 8)) == TREE
    assert len(trace) == SPANS


def test_a_received_message_is_linked_to_its_sender(trace: list[Found]) -> None:
    for _, span in trace:
        expected = [span.parent_span_id] if span.kind == Span.SPAN_KIND_CONSUMER else []
        assert [link.span_id for link in span.links] == expected


def test_each_messaging_span_says_what_the_conventions_require(trace: list[Found]) -> None:
    for service, span in trace:
        if span.kind not in (Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER):
            continue
        attributes = {pair.key: pair.value.string_value for pair in span.attributes}
        operation, _, template = span.name.partition(" ")
        consumer = (
            {"messaging.consumer.group.name"} if operation == "process" and service != "requester" else set()
        )
        assert attributes.keys() == consumer | {
            "messaging.system",
            "messaging.operation.name",
            "messaging.operation.type",
            "messaging.destination.template",
            "messaging.message.id",
        }
        assert attributes["messaging.system"] == "nats"
        assert attributes["messaging.operation.name"] == operation
        assert attributes["messaging.destination.template"] == template


def test_no_span_has_more_than_the_allowed_attributes(system: RunningSystem, trace: list[Found]) -> None:
    assert trace
    for _, span in exported(system.layout.traces):
        assert {pair.key for pair in span.attributes} <= ALLOWED_ATTRIBUTES
        assert not span.events
        assert not span.status.message
        assert not span.trace_state
        assert not any(link.attributes for link in span.links)
