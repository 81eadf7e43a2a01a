"""Our encoder's bytes parse to the same spans as the library's, without attributes that are not allowed."""

from glomar_runtime.telemetry.lean_span import Operation, start
from glomar_runtime.telemetry.otlp import ALLOWED_ATTRIBUTES, encode
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState
from opentelemetry.util.types import AnyValue

RESOURCE = Resource({"service.name": "glomar-verifier", "process.pid": 7}, "https://example.org/schema")
SCOPE = InstrumentationScope("glomar", "1.0")
CANARY = "Canary Person, 1 Canary Street"

times = st.integers(0, 2**64 - 1)
texts = st.text(max_size=300)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
)
shared_names = st.sampled_from(sorted(ALLOWED_ATTRIBUTES - {"messaging.message.id"}))
attributes = st.builds(
    lambda shared, own: shared | own,
    st.dictionaries(shared_names, texts),
    st.fixed_dictionaries({}, optional={"messaging.message.id": texts}),
)
allowed = st.builds(
    ReadableSpan,
    texts,
    contexts,
    parent=st.none() | contexts,
    resource=st.just(RESOURCE),
    attributes=st.none() | attributes,
    links=st.lists(st.builds(Link, contexts), max_size=3),
    kind=st.sampled_from(SpanKind),
    instrumentation_scope=st.just(SCOPE),
    start_time=st.none() | times,
    end_time=st.none() | times,
)


def parsed(encoded: bytes) -> ExportTraceServiceRequest:
    """With attributes sorted by name: their order has no meaning."""
    request = ExportTraceServiceRequest()
    request.ParseFromString(encoded)
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                span.attributes.sort(key=lambda pair: pair.key)
    return request


@given(st.lists(allowed, min_size=1, max_size=5))
def test_allowed_spans_are_encoded_as_the_library_does(spans: list[ReadableSpan]) -> None:
    assert parsed(encode(spans)) == parsed(encode_spans(spans).SerializeToString())


@given(
    texts,
    st.dictionaries(shared_names, texts),
    st.sampled_from(["", "0199c3f2-6a00-7b1d-8c55-3f0a6d2e9b74"]) | texts,
    st.none() | contexts,
    st.booleans(),
)
def test_spans_of_ours_are_encoded_as_the_library_does(
    name: str, attributes: dict[str, str], message_id: str, parent: SpanContext | None, failed: bool
) -> None:
    tracer = TracerProvider(resource=RESOURCE, shutdown_on_exit=False).get_tracer("glomar")
    links = (Link(parent),) if parent else ()
    span = start(tracer, Operation(name, SpanKind.CONSUMER, attributes), message_id, parent, links)
    if failed:
        span.set_attribute("error.type", "Malformed")
    span.end()
    assert isinstance(span, ReadableSpan)
    assert parsed(encode([span])) == parsed(encode_spans([span]).SerializeToString())


@given(allowed, texts | st.integers())
def test_nothing_but_what_is_allowed_leaves(span: ReadableSpan, other: str | int) -> None:
    state = TraceState([("vendor", "canary")])
    context = SpanContext(span.context.trace_id, span.context.span_id, is_remote=False, trace_state=state)
    full = ReadableSpan(
        span.name,
        context,
        parent=span.parent,
        resource=RESOURCE,
        attributes={**(span.attributes or {}), "person": CANARY, "other": other},
        events=[Event("exception", {"exception.message": CANARY})],
        links=[Link(link.context, {"person": CANARY}) for link in span.links],
        kind=span.kind,
        status=Status(StatusCode.ERROR, CANARY),
        instrumentation_scope=SCOPE,
        start_time=span.start_time,
        end_time=span.end_time,
    )
    assert encode([full]) == encode([span])
    assert CANARY.encode() not in encode([full])


@given(allowed, st.sampled_from(sorted(ALLOWED_ATTRIBUTES)), st.integers() | st.floats() | st.booleans())
def test_an_allowed_attribute_that_is_no_text_does_not_leave(
    span: ReadableSpan, name: str, value: int | float | bool
) -> None:
    texts_only = {key: text for key, text in (span.attributes or {}).items() if key != name}

    def having(attributes: dict[str, AnyValue]) -> bytes:
        return encode([ReadableSpan(span.name, span.context, resource=RESOURCE, attributes=attributes)])

    assert having({**texts_only, name: value}) == having(texts_only)
