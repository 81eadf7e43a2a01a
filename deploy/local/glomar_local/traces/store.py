"""Spans as they arrived: raw OTLP bodies in SQLite, decoded only when somebody asks. Called by the receiver
and by whoever shows a trace.

Storing costs one insert a body of some thousand spans. Looking one trace up scans the bodies for the sixteen
bytes of its id, which SQLite does at memory speed.
"""

import sqlite3
from pathlib import Path

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from glomar_local.traces.tree import Span

MAX_STORED_BYTES = 512 * 1024 * 1024
"""Past this the oldest bodies go."""

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS body (id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, spans BLOB NOT NULL);
"""


class TraceStore:
    """One connection, for one thread at a time. Traces are for operations: a power cut may lose some."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(_SCHEMA)
        self._stored = self._size()

    def add(self, body: bytes) -> None:
        """body: an ExportTraceServiceRequest, not yet looked into."""
        self._database.execute("INSERT INTO body (bytes, spans) VALUES (?, ?)", (len(body), body))
        self._stored += len(body)
        if self._stored > MAX_STORED_BYTES:
            self._database.execute(
                "DELETE FROM body WHERE id <= (SELECT id FROM body ORDER BY id LIMIT 1 OFFSET"
                " (SELECT count(*) / 2 FROM body))"
            )
            self._stored = self._size()

    def spans(self, trace_id: str) -> list[Span]:
        """Every span of one trace, by start. trace_id: 32 hex digits."""
        wanted = bytes.fromhex(trace_id)
        rows = self._database.execute("SELECT spans FROM body WHERE instr(spans, ?) > 0", (wanted,))
        found = [span for (body,) in rows for span in decode(body) if span.trace_id == trace_id]
        return sorted(found, key=lambda span: span.start_ns)

    def traces(self, bodies: int = 20) -> dict[str, list[Span]]:
        """Trace id -> spans, of the newest bodies."""
        traces: dict[str, list[Span]] = {}
        for (body,) in self._database.execute("SELECT spans FROM body ORDER BY id DESC LIMIT ?", (bodies,)):
            for span in decode(body):
                traces.setdefault(span.trace_id, []).append(span)
        return traces

    def close(self) -> None:
        self._database.close()

    def _size(self) -> int:
        (size,) = self._database.execute("SELECT coalesce(sum(bytes), 0) FROM body").fetchone()
        return int(size)


def decode(body: bytes) -> list[Span]:
    """A body -> its spans; none when it is not what it says it is."""
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


def _span(span: OtlpSpan, service: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        service=service,
        name=span.name,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
    )
