"""What the client needs of tracing, without any telemetry library. The service puts OpenTelemetry behind it.

By itself the client only makes up the start of a trace, so that a request can be followed through the other
parties' spans even when the asking system keeps none.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from nats.aio.msg import Msg


class Sending(Protocol):
    """A request on its way into the stream."""

    @property
    def traceparent(self) -> str: ...

    def end(self) -> None:
        """The stream has acknowledged it, or will not."""


class Tracing(Protocol):
    def send(self, request_id: str) -> Sending: ...

    def receive(self, message: Msg) -> AbstractContextManager[object]:
        """Around the checking of one release."""


class Started:
    """A trace that nobody here records. W3C Trace Context, level 1, sampled."""

    def __init__(self) -> None:
        self.traceparent = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"

    def end(self) -> None:
        return None


class NoTracing:
    """The default."""

    def send(self, request_id: str) -> Started:
        return Started()

    def receive(self, message: Msg) -> AbstractContextManager[object]:
        return nullcontext()
