"""What an agency's store keeps: the changes that are written to it, and what is read of one request.

Made by who publishes, receives and destroys; read and written by `Store`.
"""

from datetime import datetime
from typing import Literal

from glomar_schemas.tlog.inclusion_tables import Write
from msgspec import Struct

from glomar_requester.ask import Asked, Prepared

Cause = Literal["recall", "expiry"]
"""Why an answer may not be handed out any more."""


class Published(Struct, frozen=True):
    """sequence: in the stream; None when the stream holds other bytes under this id (a conflict)."""

    request_id: str
    sequence: int | None


class Answered(Struct, frozen=True):
    """release: the verified release, locked by the vault; kept_until: when it expires, None if not known.

    renews: it takes the place of one that is stored, being the same but for its receipt.
    """

    request_id: str
    release: bytes
    kept_until: datetime | None = None
    renews: bool = False


class Dated(Struct, frozen=True):
    """When an answer expires that was stored without saying so."""

    request_id: str
    kept_until: datetime


class Told(Struct, frozen=True):
    """A notice that was believed. request_id, cause, recalled_at: of a recall; "" and None of a control."""

    sequence: int
    notice: bytes
    request_id: str = ""
    cause: str = ""
    recalled_at: datetime | None = None


class ToldThrough(Struct, frozen=True):
    """No notice up to this sequence of the stream is missing."""

    sequence: int


class Withdrawn(Struct, frozen=True):
    """An answer is not to be handed out any more, and deleted. Nothing, if this store never asked for it."""

    request_id: str
    cause: Cause


class Certified(Struct, frozen=True):
    """ack: the signed certificate that the answer is destroyed, before it is published; the first stands."""

    request_id: str
    ack: bytes


class Acknowledged(Struct, frozen=True):
    """The stream has the ack."""

    request_id: str


class TakenBack(Struct, frozen=True):
    """The record holder has recalled the answer to a request of this store.

    number: in the order in which the store was told; a cursor. cause: as in PROTOCOL.md, "recall".
    """

    number: int
    request_id: str
    reference: str
    cause: str
    recalled_at: datetime


_Told = Dated | Told | ToldThrough | Withdrawn | Certified | Acknowledged
Change = Prepared | Published | Answered | _Told | Write  # the last: of the tables of OwnRequests


class Entry(Struct, frozen=True):
    """All that is known of one request; `unsent` is its body until the stream has acknowledged it."""

    asked: Asked
    unsent: bytes | None = None
    published: Published | None = None
    release: bytes | None = None
    withdrawn: Cause | None = None
    """Why its answer may not be handed out any more."""
