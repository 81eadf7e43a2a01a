"""Raw OTLP bodies in SQLite, decoded only on reading.

Storing costs one insert for a body of some thousand spans. Reading a trace scans the bodies for the sixteen
bytes of its id.
"""

import sqlite3
from pathlib import Path

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from glomar_local.traces.tree import TraceSpan

MAX_STORED_BYTES = 512 * 1024 * 1024
"""Above this size, the older half of the bodies is deleted."""

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS body (id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, spans BLOB NOT NULL);
"""


class TraceStore:
    """One connection, for one thread at a time. Not durable: a power cut may lose traces."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(_SCHEMA)
        self._stored = self._size()

    def add(self, body: bytes) -> None:
        """body: an encoded ExportTraceServiceRequest; it is not checked."""
        self._database.execute("INSERT INTO body (bytes, spans) VALUES (?, ?)", (len(body), body))
        self._stored += len(body)
        if self._stored > MAX_STORED_BYTES:
            self._database.execute(
                "DELETE FROM body WHERE id <= (SELECT id FROM body ORDER BY id LIMIT 1 OFFSET"
                " (SELECT count(*) / 2 FROM body))"
            )
            self._stored = self._size()

    def spans(self, trace_id: str) -> list[TraceSpan]:
        """Every span of one trace, by start. trace_id: 32 hex digits."""
        wanted = bytes.fromhex(trace_id)
        rows = self._database.execute("SELECT spans FROM body WHERE instr(spans, ?) > 0", (wanted,))
        found = [span for (body,) in rows for span in decode(body) if span.trace_id == trace_id]
        return sorted(found, key=lambda span: span.start_ns)

    def traces(self, bodies: int = 20) -> dict[str, list[TraceSpan]]:
        """Trace id -> spans, of the newest bodies."""
        traces: dict[str, list[TraceSpan]] = {}
        for (body,) in self._database.execute("SELECT spans FROM body ORDER BY id DESC LIMIT ?", (bodies,)):
            for span in decode(body):
                traces.setdefault(span.trace_id, []).append(span)
        return traces

    def close(self) -> None:
        self._database.close()

    def _size(self) -> int:
        (size,) = self._database.execute("SELECT coalesce(sum(bytes), 0) FROM body").fetchone()
        return int(size)


def decode(body: bytes) -> list[TraceSpan]:
    """The spans of a body; none if it can't be decoded."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return []
    spans = []
    for of_resource in request.resource_spans:
        attributes = {pair.key: pair.value.string_value for pair in of_resource.resource.attributes}
        service = attributes.get("service.name", "unknown")
        spans += [_span(span, service) for scope in of_resource.scope_spans for span in scope.spans]
    return spans


def _span(span: OtlpSpan, service: str) -> TraceSpan:
    return TraceSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        service=service,
        name=span.name,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
    )
