"""The client's tracing interface, without a telemetry library; the service implements it on OpenTelemetry.

Without an implementation the client still starts a trace for each request, so that the other parties' spans
of one request can be found under one trace id.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from nats.aio.msg import Msg


class SendSpan(Protocol):
    """Covers a request until the stream has acknowledged it or its publishing has failed."""

    @property
    def traceparent(self) -> str: ...

    def end(self) -> None: ...


class Tracing(Protocol):
    def send(self, request_id: str) -> SendSpan: ...

    def receive(self, message: Msg) -> AbstractContextManager[object]:
        """Around the verification of one release."""


class UnrecordedSpan:
    """A trace id that is not recorded here. W3C Trace Context, level 1, sampled."""

    def __init__(self) -> None:
        self.traceparent = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"

    def end(self) -> None:
        return None


class NoTracing:
    """The default."""

    def send(self, request_id: str) -> UnrecordedSpan:
        return UnrecordedSpan()

    def receive(self, message: Msg) -> AbstractContextManager[object]:
        return nullcontext()
