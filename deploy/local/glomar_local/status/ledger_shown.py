"""What the publishers say of the ledger, in words: are their own messages in it? Called by `status`."""

from collections.abc import Mapping
from datetime import datetime

from glomar_schemas.errors import IntegrityError
from glomar_schemas.tlog.inclusion_watch import InclusionStatus
from rich.text import Text

STYLES = {"ok": "green", "alert": "bold red", "behind": "yellow", "unchecked": "yellow"}
SEQUENCES = 5


def lines(own: Mapping[str, InclusionStatus], now: datetime) -> list[Text]:
    """A line for each service that publishes; own: by its name."""
    return [
        Text(f"ledger, says the {name}: {_said(ledger, now)}", STYLES.get(ledger.state, ""))
        for name, ledger in own.items()
    ]


def require_trusted(own: Mapping[str, InclusionStatus]) -> None:
    """Raises IntegrityError if a publisher's messages are not in the ledger, or that was rewritten."""
    for name, ledger in own.items():
        if ledger.state == "alert":
            raise IntegrityError(
                ledger.fault,
                where=f"ledger, says the {name}",
                fix="See docs/how-to/operate/find-a-missing-message.md",
            )


def _said(ledger: InclusionStatus, now: datetime) -> str:
    checked = "never checked"
    if ledger.checked_at is not None:
        ago_s = max(0, round((now - ledger.checked_at).total_seconds()))
        checked = f"checked up to {ledger.size:,} {ago_s} s ago"
    match ledger.state:
        case "off":
            return "not checked; no ledger_url is set"
        case "ok":
            return f"has all of its messages; {checked}"
        case "alert" if ledger.absent:
            first = ", ".join(map(str, ledger.absent_sequences[:SEQUENCES]))
            return f"LACKS {ledger.absent:,} of its messages, the first at sequence {first}; {checked}"
        case "alert":
            return f"NOT TO BE TRUSTED: {ledger.fault}"
        case _:
            return f"{checked}: {ledger.fault}"
