"""The paths of an agency's keys, agreement and store, and its defaults for empty columns."""

from pathlib import Path

from glomar_schemas.tlog.inclusion_watch import Publication
from msgspec import Struct


class Profile(Struct, frozen=True, kw_only=True):
    """sealing_key: a PEM file, or a pattern of several (`seal*.pem`): all open, the first locks the store.
    store: the SQLite file of all requests and answers; service and commands may share it.
    ledger: where the oversight body publishes it. If given, the client looks for its own messages in it.
    policy: a tlog-policy file. If given, an answer is handed out only if the policy's quorum has cosigned its
    receipt, at most cosigned_within_hours before the answer is accepted."""

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
