"""Traces: one per request, across all services, holding no personal data. Set up once by `service.run`.

Span names and attributes follow the OpenTelemetry messaging conventions, with the destination *template* in
place of the subject, which holds the request id. What may leave the process is a closed list, in `otlp`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, cast

from faststream import BaseMiddleware, StreamMessage
from glomar_schemas.subjects import TRACEPARENT, Kind, Subjects, is_request_id
from opentelemetry import trace
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_ENDPOINT
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind

from glomar_runtime.telemetry.lean_span import SCOPE, Operation, sender, start, traceparent
from glomar_runtime.telemetry.otlp import AllowListExporter

_OPERATIONS = {SpanKind.PRODUCER: "send", SpanKind.CONSUMER: "process"}

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
        self._tracer = trace.get_tracer(SCOPE.name)

    def send(self, kind: Kind, request_id: str, parent: Span | None) -> Span:
        """A PRODUCER span; the caller ends it once the stream has acknowledged."""
        operation = _messaging(self._subjects, SpanKind.PRODUCER, kind, "")
        context = parent.get_span_context() if parent is not None else None
        return start(self._tracer, operation, request_id, context)

    def process(self, subject: str, traceparent: str) -> Span:
        """A CONSUMER span for one received message, child of its sender's span and linked to it."""
        kind, request_id = self._describe(subject)
        operation = _messaging(self._subjects, SpanKind.CONSUMER, kind, self._consumer)
        parent = sender(traceparent)
        links = (Link(parent),) if parent is not None else ()
        return start(self._tracer, operation, request_id, parent, links)

    def step(self, name: str, parent: Span) -> Span:
        """An INTERNAL span around one step of handling a message: a context that ends it."""
        return start(self._tracer, _step(name), "", parent.get_span_context())

    def _describe(self, subject: str) -> tuple[Kind, str]:
        kind, _, rest = subject.removeprefix(f"{self._subjects.root}.").partition(".")
        token = rest.rpartition(".")[2]
        # What is no id is a text that the sender chose, of any length.
        return cast(Kind, kind), token if is_request_id(token) else ""


@lru_cache(maxsize=100)
def _step(name: str) -> Operation:
    return Operation(name, SpanKind.INTERNAL, {})


@lru_cache(maxsize=100)
def _messaging(subjects: Subjects, span_kind: SpanKind, kind: Kind, consumer: str) -> Operation:
    operation, template = _OPERATIONS[span_kind], subjects.template(kind)
    attributes = {
        "messaging.system": "nats",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.template": template,
    }
    if consumer:
        attributes["messaging.consumer.group.name"] = consumer
    return Operation(f"{operation} {template}", span_kind, attributes)


def header(span: Span) -> dict[str, str]:
    """The header that makes the receiver's span a child of this one."""
    context = span.get_span_context()
    return {TRACEPARENT: traceparent(context)} if context.is_valid else {}


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
