"""Spans to OTLP bytes: quickly, and nothing that is not on the allow list. Used by `telemetry.set_up`.

Serialized protobuf messages that stand one behind the other are read as their merge. So what many spans have
in common is encoded once, by the library, and each span adds what is its own: ids and times, which have fixed
sizes, and the message id (docs/adr/0010).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from struct import Struct

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, SpanKind

from glomar_runtime.telemetry.lean_span import MESSAGE_ID, LeanSpan, Operation

_SHARED_ATTRIBUTES = frozenset(
    {
        "error.type",
        "messaging.consumer.group.name",
        "messaging.destination.template",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.system",
    }
)
ALLOWED_ATTRIBUTES = _SHARED_ATTRIBUTES | {MESSAGE_ID}
"""What may leave the process, if it is a text. Events, statuses and trace states never do."""

# Fields of opentelemetry/proto/trace/v1/trace.proto as they are on the wire: a tag (number << 3 | wire type),
# before bytes their length, and the value.
_OWN = Struct("<2s16s 2s8s cQ cQ 2sI")
_PARENT = Struct(">2sQ")
_LINK = Struct("<2s 2s16s 2s8s cI")
_TRACE_ID, _SPAN_ID, _PARENT_ID, _START, _END = b"\x0a\x10", b"\x12\x08", b"\x22\x08", b"\x39", b"\x41"
_FLAGS, _LINK_FLAGS, _LINK_OF_33_BYTES = b"\x85\x01", b"\x35", b"\x6a\x21"
_LOCAL, _REMOTE = 0x100, 0x300
"""SpanFlags: is the parent in another process? (HAS_IS_REMOTE, and IS_REMOTE with it.)"""
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS, _ATTRIBUTES = b"\x0a", b"\x12", b"\x12", b"\x4a"
_KEY, _VALUE, _STRING = b"\x0a", b"\x12", b"\x0a"


class AllowListExporter(OTLPSpanExporter):
    """The library's exporter, with its transport and its OTEL_EXPORTER_OTLP_ variables, for our bytes."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        sent = self._client.export(encode(spans))
        return SpanExportResult.SUCCESS if sent.success else SpanExportResult.FAILURE


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """Finished spans of one process, which has one resource and one scope -> an ExportTraceServiceRequest."""
    of_resource = encode_spans(spans[:1]).resource_spans[0]
    of_scope = of_resource.scope_spans.pop()
    of_scope.ClearField("spans")
    encoded = b"".join([_field(_SPANS, _span(span)) for span in spans])
    in_scope = _field(_SCOPE_SPANS, of_scope.SerializeToString() + encoded)
    return _field(_RESOURCE_SPANS, of_resource.SerializeToString() + in_scope)


def _span(span: ReadableSpan) -> bytes:
    if isinstance(span, LeanSpan) and span.operation is not None:
        shared, message_id = _of(span.operation), span.message_id or None
    else:
        attributes = span.attributes or {}
        shared = _shared(span.name, span.kind, _allowed(attributes))
        found = attributes.get(MESSAGE_ID)
        message_id = found if isinstance(found, str) else None
    context, parent = span.context, span.parent
    encoded = shared + _OWN.pack(
        _TRACE_ID,
        context.trace_id.to_bytes(16, "big"),
        _SPAN_ID,
        context.span_id.to_bytes(8, "big"),
        _START,
        span.start_time or 0,
        _END,
        span.end_time or 0,
        _FLAGS,
        _flags(parent),
    )
    if parent is not None:
        encoded += _PARENT.pack(_PARENT_ID, parent.span_id)
    if message_id is not None:
        encoded += _message_id(message_id.encode())
    for link in span.links:
        encoded += _link(link.context)
    return encoded


def _message_id(message_id: bytes) -> bytes:
    if len(message_id) == _UUID_CHARS:
        return _BEFORE_UUID + message_id
    return _field(_ATTRIBUTES, _MESSAGE_ID_KEY + _field(_VALUE, _field(_STRING, message_id)))


def _link(to: SpanContext) -> bytes:
    trace_id, span_id = to.trace_id.to_bytes(16, "big"), to.span_id.to_bytes(8, "big")
    return _LINK.pack(_LINK_OF_33_BYTES, _TRACE_ID, trace_id, _SPAN_ID, span_id, _LINK_FLAGS, _flags(to))


def _flags(context: SpanContext | None) -> int:
    return _REMOTE if context is not None and context.is_remote else _LOCAL


@lru_cache(maxsize=1000)
def _of(operation: Operation) -> bytes:
    return _shared(operation.name, operation.kind, _allowed(operation.attributes))


def _allowed(attributes: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple(
        [
            (name, value)
            for name, value in attributes.items()
            if name in _SHARED_ATTRIBUTES and isinstance(value, str)
        ]
    )


@lru_cache(maxsize=1000)
def _shared(name: str, kind: SpanKind, attributes: tuple[tuple[str, str], ...]) -> bytes:
    """A span as the library encodes it, without what `_span` adds."""
    alike = ReadableSpan(
        name, INVALID_SPAN_CONTEXT, resource=Resource.get_empty(), kind=kind, attributes=dict(attributes)
    )
    encoded = encode_spans([alike]).resource_spans[0].scope_spans[0].spans[0]
    for own in ("trace_id", "span_id", "flags"):
        encoded.ClearField(own)
    return bytes(encoded.SerializeToString())


def _field(tag: bytes, content: bytes) -> bytes:
    """A length-delimited field; the length is a varint: seven bits a byte, the lowest first."""
    size = len(content)
    if size < 0x80:
        return tag + bytes((size,)) + content
    length = bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return tag + length + content


_MESSAGE_ID_KEY = _field(_KEY, MESSAGE_ID.encode())
_UUID_CHARS = 36
_BEFORE_UUID = _field(
    _ATTRIBUTES, _MESSAGE_ID_KEY + _field(_VALUE, _field(_STRING, bytes(_UUID_CHARS)))
).removesuffix(bytes(_UUID_CHARS))
