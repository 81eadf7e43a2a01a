"""Spans at a quarter of what the OpenTelemetry SDK's cost. Made by `telemetry.Spans` (docs/adr/0010).

Left out is what makes those fit for anybody: locks, limits, events, copies. A span here has one owner, who
ends it once. Ids, resource, and what becomes of an ended span are the SDK's; its sampler decides about the
first span of a trace, and a child is kept if its parent is.
"""

import re
import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)
from opentelemetry.trace import set_span_in_context as in_context
from opentelemetry.util.types import AnyValue

SCOPE = InstrumentationScope("glomar", "")
MESSAGE_ID = "messaging.message.id"

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")


class Operation:
    """What all spans of one operation have in common; known by identity."""

    __slots__ = ("attributes", "kind", "name")

    def __init__(self, name: str, kind: SpanKind, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.kind = kind
        self.attributes = attributes


def start(
    tracer: Tracer,
    operation: Operation,
    message_id: str,
    parent: SpanContext | None,
    links: tuple[Link, ...] = (),
) -> Span:
    """A started span; with tracing switched off the tracer's own. message_id: "" for none."""
    if not isinstance(tracer, SdkTracer):
        around = in_context(NonRecordingSpan(parent)) if parent is not None else Context()
        return tracer.start_span(operation.name, around)
    if parent is None or not parent.is_valid:
        return _first(tracer, operation, message_id, links)
    context = SpanContext(
        parent.trace_id,
        tracer.id_generator.generate_span_id(),
        is_remote=False,
        trace_flags=parent.trace_flags,
    )
    return LeanSpan(tracer, operation, message_id, context, parent, links)


def _first(tracer: SdkTracer, operation: Operation, message_id: str, links: tuple[Link, ...]) -> Span:
    """Of a trace: the sampler decides whether that is kept, and its children follow."""
    trace_id = tracer.id_generator.generate_trace_id()
    attributes = _attributes(operation, message_id)
    sampled = tracer.sampler.should_sample(None, trace_id, operation.name, operation.kind, attributes, links)
    flags = TraceFlags.SAMPLED if sampled.decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT
    if tracer.id_generator.is_trace_id_random():
        flags |= TraceFlags.RANDOM_TRACE_ID
    context = SpanContext(
        trace_id,
        tracer.id_generator.generate_span_id(),
        is_remote=False,
        trace_flags=TraceFlags(flags),
        trace_state=sampled.trace_state,
    )
    if sampled.decision is Decision.DROP:
        return NonRecordingSpan(context)
    return LeanSpan(tracer, operation, message_id, context, None, links)


def _attributes(operation: Operation, message_id: str) -> dict[str, AnyValue]:
    own = {MESSAGE_ID: message_id} if message_id else {}
    return {**operation.attributes, **own}


def sender(traceparent: str) -> SpanContext | None:
    """W3C Trace Context, section 3.2 -> who sent it. A `tracestate` could carry anything, and is not read."""
    found = _TRACEPARENT.match(traceparent)
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None


def traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


class LeanSpan(NonRecordingSpan, ReadableSpan):  # type: ignore[misc] # of `_context`, which here is never None
    """Of NonRecordingSpan is everything that a span here does not do, of ReadableSpan what processors and
    exporters read. operation: None once it has attributes of its own beyond the message id."""

    _instrumentation_info = None
    _instrumentation_scope = SCOPE
    _status = Status(StatusCode.UNSET)
    _events = ()

    def __init__(
        self,
        tracer: SdkTracer,
        operation: Operation,
        message_id: str,
        context: SpanContext,
        parent: SpanContext | None,
        links: tuple[Link, ...],
    ) -> None:
        # Neither of their __init__, which would cost as much as all the rest.
        self._tracer = tracer
        self.operation: Operation | None = operation
        self.message_id = message_id
        self._name = operation.name
        self._kind = operation.kind
        self._own = self._attributes = _attributes(operation, message_id)
        self._context = context
        self._parent = parent
        self._links = links
        self._start_time = time.time_ns()
        self._end_time: int | None = None

    @property
    def resource(self) -> Resource:
        return self._tracer.resource

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: AnyValue) -> None:
        self._own[key] = value
        self.operation = None

    def end(self, end_time: int | None = None) -> None:
        self._end_time = end_time or time.time_ns()
        # What is not sampled is dropped there.
        self._tracer.span_processor.on_end(self)
