"""What the client is asked, and its records of it."""

from datetime import datetime

from glomar_schemas.errors import Malformed
from glomar_schemas.request_file import Ask, Fault, form_faults
from msgspec import Struct


class Question(Struct, frozen=True):
    """An Ask, and the key (if any) under which this store asks it at most once."""

    ask: Ask
    key: str = ""


class Asked(Struct, frozen=True):
    """The record of a request: all that is needed to recognise its answer. No particulars."""

    request_id: str
    reference: str
    key: str
    fingerprint: bytes
    digest: str
    """SHA-256 of the body, in hex."""
    traceparent: str
    expires_at: datetime

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]


class Prepared(Struct, frozen=True):
    """A request ready to be published; these very bytes, however often they are sent."""

    asked: Asked
    body: bytes


class BadForm(Malformed):
    """An Ask that can't be sent, with its faults field by field."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.what}" for fault in faults), where="request")
        self.faults = faults


def require_form(ask: Ask) -> None:
    """Raises BadForm. Constructors check nothing, and what the strict decoder refuses could not be read."""
    if faults := list(form_faults(ask)):
        raise BadForm(faults)
