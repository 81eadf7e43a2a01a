"""The trace receiver takes what the OpenTelemetry exporter really sends, and refuses what could harm it."""

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from glomar_local.ports import HOST, free
from glomar_local.traces import otlp_receiver as receiving_module
from glomar_local.traces.otlp_receiver import PROTOBUF, gunzip, receiving
from glomar_local.traces.store import TraceStore, decode
from glomar_local.traces.tree import services
from glomar_runtime.telemetry.otlp import AllowListExporter
from glomar_schemas.errors import Unreachable
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def made(service: str, number: int = 1) -> list[ReadableSpan]:
    """`number` traces of two spans each."""
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for _ in range(number):
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            pass
    return list(exporter.get_finished_spans())


def body(service: str, number: int = 1) -> bytes:
    return bytes(encode_spans(made(service, number)).SerializeToString())


def trace_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    opened = TraceStore(tmp_path / "traces.db")
    yield opened
    opened.close()


def posted(tmp_path: Path, data: bytes, path: str = "/v1/traces", **headers: str) -> int:
    """The status that a running receiver answers."""
    port = free().traces
    url = f"http://{HOST}:{port}{path}"
    named = {"Content-Type": PROTOBUF} | {name.replace("_", "-"): value for name, value in headers.items()}

    def post() -> int:
        try:
            with urlopen(Request(url, data, named)) as answer:
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code

    async def run() -> int:
        async with receiving(tmp_path / "traces.db", port):
            return await asyncio.to_thread(post)

    return asyncio.run(run())


@pytest.mark.parametrize("kind", [AllowListExporter, OTLPSpanExporter])
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_real_exporters_are_understood(
    tmp_path: Path, kind: type[OTLPSpanExporter], compression: Compression
) -> None:
    port = free().traces
    spans = made("verifier", 3)

    def export() -> SpanExportResult:
        exporter = kind(f"http://{HOST}:{port}/v1/traces", compression=compression)
        try:
            return exporter.export(spans)
        finally:
            exporter.shutdown()  # type: ignore[no-untyped-call]

    async def run() -> SpanExportResult:
        async with receiving(tmp_path / "traces.db", port):
            return await asyncio.to_thread(export)

    assert asyncio.run(run()) is SpanExportResult.SUCCESS
    store = TraceStore(tmp_path / "traces.db")
    found = store.spans(trace_id(spans[0]))
    store.close()
    assert [(span.service, span.name) for span in found] == [("verifier", "outer"), ("verifier", "inner")]
    assert found[1].parent_id == found[0].span_id
    assert found[0].parent_id == ""
    assert found[0].start_ns == spans[1].start_time


def test_a_trace_is_gathered_from_the_bodies_of_several_services(store: TraceStore) -> None:
    (inner, outer) = made("requester")
    elsewhere = encode_spans([inner, outer]).SerializeToString().replace(b"requester", b"verifiers")
    store.add(encode_spans([outer]).SerializeToString())
    store.add(body("auditor"))
    store.add(elsewhere)

    assert sorted(services(store.spans(trace_id(outer)))) == ["requester", "verifiers"]
    assert len(store.traces()) == 2


def test_an_unknown_trace_has_no_spans(store: TraceStore) -> None:
    store.add(body("requester"))

    assert store.spans("ab" * 16) == []


def test_bytes_that_are_no_spans_harm_nothing(store: TraceStore) -> None:
    spans = made("requester")
    wanted = trace_id(spans[0])
    store.add(b"\xff\xff" + bytes.fromhex(wanted))
    store.add(encode_spans(spans).SerializeToString())

    assert decode(b"\xff\xff\xff") == []
    assert len(store.spans(wanted)) == 2


def test_the_oldest_bodies_go_when_the_store_is_full(
    store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glomar_local.traces.store.MAX_STORED_BYTES", 10_000)
    bodies = [body("requester", 5) for _ in range(40)]
    for each in bodies:
        store.add(each)

    newest = decode(bodies[-1])[0].trace_id
    oldest = decode(bodies[0])[0].trace_id
    assert store.spans(newest)
    assert not store.spans(oldest)


def test_the_store_is_readable_by_its_owner_alone(store: TraceStore, tmp_path: Path) -> None:
    assert (tmp_path / "traces.db").stat().st_mode & 0o077 == 0


def test_what_it_does_not_know_is_refused(tmp_path: Path) -> None:
    data = body("requester")

    assert posted(tmp_path, data) == 200
    assert posted(tmp_path, data, "/v1/logs") == 404
    assert posted(tmp_path, json.dumps({}).encode(), Content_Type="application/json") == 415
    assert posted(tmp_path, b"no gzip", Content_Encoding="gzip") == 400


def test_what_is_too_large_is_refused_packed_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving_module, "MAX_BODY_BYTES", 100_000)

    assert posted(tmp_path, bytes(100_001)) == 413
    assert posted(tmp_path, gzip.compress(bytes(10_000_000)), Content_Encoding="gzip") == 400


def test_a_cut_off_gzip_body_is_refused() -> None:
    assert gunzip(gzip.compress(b"spans")) == b"spans"
    assert gunzip(gzip.compress(b"spans")[:-3]) is None


def test_a_taken_port_is_reported(tmp_path: Path) -> None:
    async def run(port: int) -> None:
        async with receiving(tmp_path / "traces.db", port):
            pass

    with socket.create_server((HOST, 0)) as taken, pytest.raises(Unreachable, match="can't be used"):
        asyncio.run(run(taken.getsockname()[1]))
