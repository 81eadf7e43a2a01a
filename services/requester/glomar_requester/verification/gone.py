"""Answers that may not be handed out any more. Raised wherever one would be."""

from datetime import datetime
from typing import ClassVar, Literal

from glomar_schemas.errors import Refused

from glomar_requester.store.records import Cause


class Gone(Refused):
    """There was a verdict, and its answer is destroyed here. outcome: what a result file says of it."""

    outcome: ClassVar[Literal["recalled", "expired"]]


class Recalled(Gone):
    """The record holder has taken the verdict back."""

    outcome = "recalled"


class Expired(Gone):
    """The agreement's time for keeping an answer is over."""

    outcome = "expired"


def gone(cause: Cause, request_id: str) -> Gone:
    """What to raise for an answer that was withdrawn for this cause."""
    if cause == "recall":
        return Recalled(
            "the record holder has recalled the answer", where=request_id, fix="Use no copy of it"
        )
    return Expired("the answer has expired and is destroyed", where=request_id, fix="Ask anew if you may")


def require_kept(kept_until: datetime, now: datetime, request_id: str) -> None:
    """Raises Expired, also before the sweep has come by."""
    if now >= kept_until:
        raise gone("expiry", request_id)
