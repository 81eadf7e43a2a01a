"""Our spans equal the SDK's, and are exported or dropped in the same cases."""

from collections.abc import Iterator

import pytest
from glomar_runtime.telemetry.lean_span import MESSAGE_ID, SCOPE, Operation, sender, start, traceparent
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracer,
    SpanContext,
    SpanKind,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PARENT = SpanContext(0xA1, 0xB2, is_remote=True, trace_flags=TraceFlags(0x03))

Recorded = tuple[TracerProvider, InMemorySpanExporter]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    provider = TracerProvider(resource=Resource({"service.name": "verifier"}), shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


def said(span: ReadableSpan) -> tuple[object, ...]:
    """All fields that are not random."""
    return (
        span.name,
        span.kind,
        dict(span.attributes or {}),
        span.parent,
        [link.context for link in span.links],
        span.context.trace_flags,
        span.context.is_remote,
        span.resource,
        span.instrumentation_scope,
    )


@pytest.mark.parametrize("parent", [None, PARENT])
def test_a_span_says_what_the_sdks_would(recorded: Recorded, parent: SpanContext | None) -> None:
    provider, exporter = recorded
    tracer = provider.get_tracer(SCOPE.name)
    attributes = {"messaging.system": "nats"}
    links = (Link(parent),) if parent else ()
    span = start(tracer, Operation("process", SpanKind.CONSUMER, attributes), "m", parent, links)
    span.set_attribute("error.type", "Malformed")
    span.end()
    context = set_span_in_context(NonRecordingSpan(parent)) if parent else Context()
    all_attributes = {**attributes, MESSAGE_ID: "m"}
    theirs = tracer.start_span("process", context, SpanKind.CONSUMER, all_attributes, links)
    theirs.set_attribute("error.type", "Malformed")
    theirs.end()

    mine, expected = exporter.get_finished_spans()
    assert said(mine) == said(expected)
    assert mine.start_time and mine.end_time
    assert mine.start_time <= mine.end_time <= (expected.end_time or 0)
    assert mine.context.span_id != expected.context.span_id
    assert (mine.context.trace_id == expected.context.trace_id) == (parent is not None)


def test_a_step_ends_when_its_context_is_left_and_hangs_on_its_parent(recorded: Recorded) -> None:
    provider, exporter = recorded
    root = start(provider.get_tracer(SCOPE.name), Operation("send", SpanKind.PRODUCER, {}), "", None)
    with start(
        provider.get_tracer(SCOPE.name), Operation("gate", SpanKind.INTERNAL, {}), "", root.get_span_context()
    ):
        assert not exporter.get_finished_spans()
    root.end()

    gate, send = exporter.get_finished_spans()
    assert gate.parent == send.context
    assert send.parent is None


def test_a_span_that_its_sender_does_not_sample_is_not_recorded(recorded: Recorded) -> None:
    provider, exporter = recorded
    parent = SpanContext(0xA1, 0xB2, is_remote=True, trace_flags=TraceFlags(0x00))
    span = start(provider.get_tracer(SCOPE.name), Operation("process", SpanKind.CONSUMER, {}), "", parent)
    span.end()

    assert not exporter.get_finished_spans()
    assert traceparent(span.get_span_context()).endswith("-00")


def test_a_sampler_decides_on_the_first_span_of_a_trace() -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    root = start(provider.get_tracer(SCOPE.name), Operation("send", SpanKind.PRODUCER, {}), "", None)

    assert not root.get_span_context().trace_flags.sampled


@pytest.mark.parametrize("parent", [None, PARENT])
def test_where_tracing_is_switched_off_the_senders_context_is_passed_on(parent: SpanContext | None) -> None:
    span = start(NoOpTracer(), Operation("process", SpanKind.CONSUMER, {}), "", parent)

    assert not span.is_recording()
    assert span.get_span_context().is_valid == (parent is not None)


def propagated(header: str) -> SpanContext | None:
    """The context as the library reads it."""
    context = TraceContextTextMapPropagator().extract({"traceparent": header}, Context())
    found = get_current_span(context).get_span_context()
    return found if found.is_valid else None


hex_digits = st.sampled_from("0123456789abcdefA")


@given(
    st.sampled_from(["00", "01", "cc", "ff", "0"]),
    st.text(hex_digits, min_size=31, max_size=33)
    | st.text("0a", min_size=32, max_size=32)
    | st.just("0" * 32),
    st.text(hex_digits, min_size=16, max_size=16) | st.just("0" * 16),
    st.sampled_from(["00", "01", "03", "ff", "1"]),
)
def test_a_traceparent_is_read_as_the_library_reads_it(
    version: str, trace: str, span: str, flags: str
) -> None:
    header = f"{version}-{trace}-{span}-{flags}"

    assert sender(header) == propagated(header)


@pytest.mark.parametrize("header", ["", "00", "x" * 100_000, f"00-{'a' * 32}-{'b' * 16}-01-more"])
def test_what_is_no_traceparent_has_no_sender(header: str) -> None:
    assert sender(header) is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.sampled_from([TraceFlags(0), TraceFlags(3)]))
def test_a_traceparent_reads_back(trace_id: int, span_id: int, flags: TraceFlags) -> None:
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)

    assert sender(traceparent(context)) == context
