"""Traces: one per request, across all services, holding no personal data. Set up once by `service.run`.

Span names and attributes follow the OpenTelemetry messaging conventions, with the destination *template* in
place of the subject, which holds the request id. What may leave the process is a closed list, in `otlp`.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from faststream import BaseMiddleware, StreamMessage
from glomar_schemas.subjects import TRACEPARENT, Kind, Subjects, is_request_id
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_ENDPOINT
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from glomar_runtime.otlp import AllowListExporter

_PROPAGATOR = TraceContextTextMapPropagator()
_BATCH: ContextVar[Sequence[Span]] = ContextVar("spans of the messages being handled", default=())


def set_up(service: str, environ: dict[str, str]) -> TracerProvider:
    """Spans go to OTEL_EXPORTER_OTLP_ENDPOINT over HTTP; without it they are made, propagated and dropped."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if environ.get(OTEL_EXPORTER_OTLP_ENDPOINT):
        provider.add_span_processor(
            BatchSpanProcessor(AllowListExporter(), max_queue_size=50_000, max_export_batch_size=2_000)
        )
    trace.set_tracer_provider(provider)
    return provider


class Spans:
    """Makes the spans of one service for one agreement."""

    def __init__(self, subjects: Subjects, consumer: str = "") -> None:
        self._subjects = subjects
        self._consumer = consumer
        self._tracer = trace.get_tracer("glomar")

    def send(self, kind: Kind, request_id: str, parent: Span | None) -> Span:
        """A PRODUCER span; the caller ends it once the stream has acknowledged."""
        context = trace.set_span_in_context(parent) if parent is not None else None
        return self._tracer.start_span(
            f"send {self._subjects.template(kind)}",
            context,
            SpanKind.PRODUCER,
            self._messaging("send", "send", kind, request_id),
            record_exception=False,
            set_status_on_exception=False,
        )

    def process(self, subject: str, traceparent: str) -> Span:
        """A CONSUMER span for one received message, child of its sender's span and linked to it."""
        context = extract(traceparent)
        parent = trace.get_current_span(context).get_span_context()
        kind, request_id = self._describe(subject)
        return self._tracer.start_span(
            f"process {self._subjects.template(kind)}",
            context,
            SpanKind.CONSUMER,
            self._messaging("process", "process", kind, request_id),
            [Link(parent)] if parent.is_valid else None,
            record_exception=False,
            set_status_on_exception=False,
        )

    @contextmanager
    def step(self, name: str, parent: Span) -> Iterator[Span]:
        """An INTERNAL span around one step of handling a message."""
        span = self._tracer.start_span(
            name, trace.set_span_in_context(parent), record_exception=False, set_status_on_exception=False
        )
        try:
            yield span
        finally:
            span.end()

    def _describe(self, subject: str) -> tuple[Kind, str]:
        kind, _, rest = subject.removeprefix(f"{self._subjects.root}.").partition(".")
        token = rest.rpartition(".")[2]
        # What is no id is a text that the sender chose, of any length.
        return cast(Kind, kind), token if is_request_id(token) else ""

    def _messaging(self, name: str, operation: str, kind: Kind, request_id: str) -> dict[str, str]:
        attributes = {
            "messaging.system": "nats",
            "messaging.operation.name": name,
            "messaging.operation.type": operation,
            "messaging.destination.template": self._subjects.template(kind),
            "messaging.message.id": request_id,
        }
        if self._consumer and operation == "process":
            attributes["messaging.consumer.group.name"] = self._consumer
        return attributes


def extract(header: str) -> Context:
    """The sender's context from a `traceparent`; a `tracestate` could carry anything, and is not read."""
    return _PROPAGATOR.extract({TRACEPARENT: header}) if header else Context()


def traceparent(span: Span) -> dict[str, str]:
    """The header that makes the receiver's span a child of this one."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
    return {TRACEPARENT: carrier[TRACEPARENT]} if TRACEPARENT in carrier else {}


class SpanMiddleware(BaseMiddleware[Any, Any]):
    """FastStream middleware: one CONSUMER span for each message of the batch, open while it is handled."""

    spans: Spans

    @classmethod
    def of(cls, spans: Spans) -> type["SpanMiddleware"]:
        return type("SpanMiddleware", (cls,), {"spans": spans})

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        if not isinstance(msg.raw_message, list):
            return await call_next(msg)
        opened = [
            self.spans.process(message.subject, (message.headers or {}).get(TRACEPARENT, ""))
            for message in msg.raw_message
        ]
        token = _BATCH.set(opened)
        try:
            return await call_next(msg)
        except Exception as error:
            for span in opened:
                span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            _BATCH.reset(token)
            end_all(opened)


def handled_spans() -> Sequence[Span]:
    """In a handler: the spans of its messages, in their order."""
    return _BATCH.get()


def end_all(spans: Iterable[Span]) -> None:
    for span in spans:
        span.end()
