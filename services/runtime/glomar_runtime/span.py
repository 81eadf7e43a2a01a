"""Child spans at a quarter of what the OpenTelemetry SDK's cost. Made by `telemetry.Spans` (docs/adr/0010).

Left out is what makes those fit for anybody: locks, limits, events, copies. A span here has one owner, who
ends it once. Ids, resource and what becomes of an ended span are the SDK's, and the first span of a trace is
the SDK's whole, since a sampler is asked about that one: a child is kept if its parent is.
"""

import re
import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.trace import set_span_in_context as in_context
from opentelemetry.util.types import AnyValue

SCOPE = InstrumentationScope("glomar", "")

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")


def start(
    tracer: Tracer,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, str],
    parent: SpanContext | None,
    links: tuple[Link, ...] = (),
) -> Span:
    """A started span; without a valid parent, or with tracing switched off, the tracer's own."""
    if parent is not None and parent.is_valid and isinstance(tracer, SdkTracer):
        return _Child(tracer, name, kind, attributes, parent, links)
    context = in_context(NonRecordingSpan(parent)) if parent is not None else Context()
    return tracer.start_span(
        name,
        context,
        kind,
        attributes,
        links,
        record_exception=False,
        set_status_on_exception=False,
    )


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


class _Child(NonRecordingSpan):
    """Of NonRecordingSpan is everything that a span here does not do."""

    def __init__(
        self,
        tracer: SdkTracer,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str],
        parent: SpanContext,
        links: tuple[Link, ...],
    ) -> None:
        span_id = tracer.id_generator.generate_span_id()
        super().__init__(
            SpanContext(parent.trace_id, span_id, is_remote=False, trace_flags=parent.trace_flags)
        )
        self._tracer = tracer
        self._name = name
        self._kind = kind
        self._attributes: dict[str, AnyValue] = dict(attributes)
        self._parent = parent
        self._links = links
        self._start_ns = time.time_ns()

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: AnyValue) -> None:
        self._attributes[key] = value

    def end(self, end_time: int | None = None) -> None:
        # What is not sampled is dropped there.
        self._tracer.span_processor.on_end(
            ReadableSpan(
                self._name,
                self._context,
                self._parent,
                self._tracer.resource,
                self._attributes,
                links=self._links,
                kind=self._kind,
                start_time=self._start_ns,
                end_time=end_time or time.time_ns(),
                instrumentation_scope=SCOPE,
            )
        )
