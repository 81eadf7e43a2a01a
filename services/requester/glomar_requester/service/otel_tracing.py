"""The client's tracing on OpenTelemetry, for the service and the commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from glomar_runtime.telemetry import spans as telemetry
from glomar_runtime.telemetry.spans import Spans
from glomar_schemas.subjects import TRACEPARENT
from nats.aio.msg import Msg
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from glomar_requester.tracing import Sending, Started


class SendSpan:
    """A PRODUCER span and the header that makes the verifier's span its child."""

    def __init__(self, span: Span, header: str) -> None:
        self.traceparent = header
        self._span = span

    def end(self) -> None:
        self._span.end()


@contextmanager
def served(name: str, header: str) -> Iterator[Span]:
    """A SERVER span around one HTTP request, child of the asking system's span if it sent its traceparent."""
    parent = TraceContextTextMapPropagator().extract({TRACEPARENT: header}) if header else Context()
    with trace.get_tracer("glomar").start_as_current_span(
        name, parent, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span


class OtelTracing:
    """One send span a request, child of what is current; one process span a release that is awaited."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def send(self, request_id: str) -> Sending:
        span = self._spans.send("request", request_id, trace.get_current_span())
        header = telemetry.header(span).get(TRACEPARENT)
        return SendSpan(span, header) if header else Started()

    @contextmanager
    def receive(self, message: Msg) -> Iterator[None]:
        span = self._spans.process(message.subject, (message.headers or {}).get(TRACEPARENT, ""))
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.end()
