"""Where an agency's keys, agreement and store lie, and what it fills in where a row says nothing.

Made by whoever constructs a Client; the service and the commands read it from `requester.toml`.
"""

from pathlib import Path

from glomar_schemas.tlog.inclusion_watch import Publication
from msgspec import Struct


class Profile(Struct, frozen=True, kw_only=True):
    """sealing_key: a PEM file, or a pattern of several (`seal*.pem`): all open, the first locks the store.
    store: the SQLite file of everything asked and answered; it may be shared by service and commands.
    ledger: where the oversight body publishes it; then what is asked is looked for in it.
    policy: a tlog-policy file; with one, no answer is handed out whose receipt its quorum has not cosigned,
    within cosigned_within_hours of when the answer is taken."""

    agency: str
    url: str = "nats://127.0.0.1:4222"
    nkey: Path
    agreement: Path
    trust: Path
    incarnation: int = 1
    signing_key: Path
    sealing_key: Path
    store: Path
    officer_unit: str = ""
    authorised_by: str = ""
    jurisdiction: str = ""
    validity_hours: int = 72
    ledger: Publication | None = None
    policy: Path | None = None
    cosigned_within_hours: int = 24
