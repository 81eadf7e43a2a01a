"""Records of the agency's store: the changes that are written to it, and what is read of one request."""

from datetime import datetime
from typing import Literal

from glomar_schemas.tlog.inclusion_tables import Write
from msgspec import Struct

from glomar_requester.ask import Prepared, RequestRecord

Cause = Literal["recall", "expiry"]
"""Why an answer may not be handed out any more."""


class Published(Struct, frozen=True):
    """sequence: in the stream; None if the stream holds other bytes under this id (a conflict)."""

    request_id: str
    sequence: int | None


class Answered(Struct, frozen=True):
    """release: the verified release, encrypted by the vault; retain_until: when it expires, None if unknown.

    renews: it replaces a stored release that differs in nothing but the receipt.
    """

    request_id: str
    release: bytes
    retain_until: datetime | None = None
    renews: bool = False


class ExpirySet(Struct, frozen=True):
    """When an answer expires that was stored without an expiry."""

    request_id: str
    retain_until: datetime


class Notified(Struct, frozen=True):
    """A verified notice. request_id, cause, recalled_at: of a recall; "" and None for a control."""

    sequence: int
    notice: bytes
    request_id: str = ""
    cause: str = ""
    recalled_at: datetime | None = None


class NotifiedThrough(Struct, frozen=True):
    """No notice up to this sequence of the stream is missing."""

    sequence: int


class Withdrawn(Struct, frozen=True):
    """An answer may not be handed out any more and is deleted. No-op if this store has no such request."""

    request_id: str
    cause: Cause


class Certified(Struct, frozen=True):
    """ack: the signed certificate of destruction, not yet published. The first one stored is final."""

    request_id: str
    ack: bytes


class Acknowledged(Struct, frozen=True):
    """The stream has the ack."""

    request_id: str


class RecalledAnswer(Struct, frozen=True):
    """The record holder has recalled the answer to a request of this store.

    number: a cursor, in the order in which the store learned of recalls. cause: PROTOCOL.md, "recall".
    """

    number: int
    request_id: str
    reference: str
    cause: str
    recalled_at: datetime


_Retention = ExpirySet | Notified | NotifiedThrough | Withdrawn | Certified | Acknowledged
Change = Prepared | Published | Answered | _Retention | Write
"""Write: of the tables that the ledger watch owns."""


class StoredRequest(Struct, frozen=True):
    """All that is known of one request; `unsent` is its body until the stream has acknowledged it."""

    request: RequestRecord
    unsent: bytes | None = None
    published: Published | None = None
    release: bytes | None = None
    withdrawn: Cause | None = None
    """Why its answer may not be handed out any more."""
