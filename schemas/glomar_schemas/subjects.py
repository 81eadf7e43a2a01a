"""Every subject, stream name, header and limit of the bus.

Subject tokens are lower case and contain no personal data; a request id is an opaque UUIDv7.
"""

import re
from typing import Literal

from msgspec import Struct

from glomar_schemas.errors import Malformed

Kind = Literal[
    "request",
    "verdict",
    "control",
    "recall",
    "ack",
    "opening",
    "release",
    "result",
    "notice",
    "notices",
    "checkpoint",
]

MAX_MESSAGE_BYTES = 64 * 1024
"""Limit of headers and body together: the server counts both against the stream's max_msg_size."""
MAX_NOTICE_BYTES = 120 * 1024
"""Limit of a notice and of a page of notices (not stored): the largest message in base64, and its receipt."""
MAX_BATCH = 200
"""Messages in one atomic batch. The server's limit is 1,000; above 200 the fsync no longer dominates."""
FIRST_YEAR, LAST_YEAR = 1900, 2200
"""The first and the last year of a date or time: near them no arithmetic with days or zones overflows."""

TRACEPARENT = "traceparent"
CE_TYPE = "ce-type"
BATCH_ID = "Nats-Batch-Id"
BATCH_SEQUENCE = "Nats-Batch-Sequence"
BATCH_COMMIT = "Nats-Batch-Commit"
EXPECTED_LAST_SEQUENCE = "Nats-Expected-Last-Sequence"
EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SEQUENCE_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"

_TOKEN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_WIRE_TOKEN = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")


class ParsedSubject(Struct, frozen=True):
    """The parts of a stored subject: kind, agency ("" for control and opening) and the last token."""

    kind: str
    agency: str
    token: str


class Subjects(Struct, frozen=True):
    """The subjects of one agreement, and the stream of one of its incarnations."""

    agreement: str
    incarnation: int = 1

    @property
    def stream(self) -> str:
        return f"{self.agreement.replace('-', '_').upper()}_{self.incarnation}"

    @property
    def predecessor(self) -> "Subjects | None":
        """The previous incarnation; None for the first."""
        return Subjects(self.agreement, self.incarnation - 1) if self.incarnation > 1 else None

    @property
    def root(self) -> str:
        return f"glomar.{self.agreement}"

    def stored(self) -> list[str]:
        """The subjects that the stream stores; messages on all others are not stored."""
        opening = [self.opening()] if self.predecessor else []
        return [
            *opening,
            f"{self.root}.request.*.*",
            f"{self.root}.verdict.*.*",
            f"{self.root}.control.*",
            f"{self.root}.recall.*.*",
            f"{self.root}.ack.*.*",
        ]

    def request(self, agency: str, request_id: str = "*") -> str:
        return f"{self.root}.request.{agency}.{request_id}"

    def verdict(self, agency: str, request_id: str) -> str:
        return f"{self.root}.verdict.{agency}.{request_id}"

    def control(self, slot: int | str) -> str:
        return f"{self.root}.control.{slot}"

    def recall(self, agency: str, request_id: str) -> str:
        return f"{self.root}.recall.{agency}.{request_id}"

    def ack(self, agency: str, request_id: str = "*") -> str:
        return f"{self.root}.ack.{agency}.{request_id}"

    def release(self, agency: str, request_id: str = "*") -> str:
        return f"{self.root}.release.{agency}.{request_id}"

    def result(self, agency: str) -> str:
        return f"{self.root}.result.{agency}"

    def notice(self, agency: str) -> str:
        """The subject on which an agency receives controls and recalls."""
        return f"{self.root}.notice.{agency}"

    def notices(self, agency: str) -> str:
        """The subject on which an agency asks for notices that it has missed."""
        return f"{self.root}.notices.{agency}"

    def opening(self) -> str:
        """The subject of an incarnation's first message, the final checkpoint of the previous one."""
        return f"{self.root}.opening.{self.incarnation}"

    def retired(self) -> str:
        """The only subject of a stream that has a successor; nobody may publish on it."""
        return f"{self.root}.retired.{self.incarnation}"

    def checkpoint(self) -> str:
        return f"{self.root}.checkpoint"

    def origin(self, oversight: str) -> str:
        """The name of the ledger of this incarnation: each incarnation has its own log."""
        return f"audit.{oversight}/{self.stream}"

    def delivery(self, consumer: str) -> str:
        """The subject to which the server pushes a durable consumer's messages."""
        return f"{self.root}.deliver.{consumer}"

    def canary(self, party: str) -> str:
        """The subject of a service's test message to the store, in a stream of its own."""
        return f"{self.root}.canary.{party}"

    def template(self, kind: Kind) -> str:
        """The destination template of spans and metrics. A subject itself would contain the request id."""
        match kind:
            case "control":
                return f"{self.root}.control.{{slot}}"
            case "opening":
                return f"{self.root}.opening.{{incarnation}}"
            case "result" | "notice" | "notices":
                return f"{self.root}.{kind}.{{agency}}"
            case "checkpoint":
                return f"{self.root}.checkpoint"
            case _:
                return f"{self.root}.{kind}.{{agency}}.{{request_id}}"

    def parse(self, subject: str) -> ParsedSubject:
        """Raises Malformed unless the stream stores this subject."""
        tokens = subject.split(".")
        if tokens[:2] == ["glomar", self.agreement]:
            if len(tokens) == 4 and tokens[2] in ("control", "opening"):
                return ParsedSubject(tokens[2], "", tokens[3])
            if len(tokens) == 5 and tokens[2] in ("request", "verdict", "recall", "ack"):
                return ParsedSubject(tokens[2], tokens[3], tokens[4])
        raise Malformed("not a subject of this agreement", where=self.root)


def is_token(text: str) -> bool:
    """True for an agreement or agency name: lower case letters, digits and hyphens, at most 63."""
    return _TOKEN.match(text) is not None


def verdict_token(token: str, sequence: int) -> str:
    """The last token of the verdict's subject: the request id, or `~<sequence>` if it is not valid."""
    # A sequence can't be claimed before the request has it.
    return token if is_request_id(token) else f"~{sequence}"


def is_request_id(text: str) -> bool:
    """True for a token that may be a request id. Requesters use UUIDv7; the bus accepts any safe token."""
    return _WIRE_TOKEN.match(text) is not None
