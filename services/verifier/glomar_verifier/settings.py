"""Settings of the verifier. Called by its command line."""

from pathlib import Path

from glomar_runtime.settings import LedgerEvery, LedgerUrl, PathOrUrl, ServiceSettings
from glomar_schemas.tlog.inclusion_watch import LOOK_EVERY_S


class VerifierSettings(ServiceSettings, frozen=True, kw_only=True):
    """epochs: directory of the keys that open particulars, wrapped; custodian_a, custodian_b: directories of
    their shares, on media of their own; tag_key: 32 bytes for the tags; counts, waiting: SQLite;
    register: a file, or a postgresql:// URL without a password; rolls: a directory with `<agency>.csv`, the
    roll of open cases that the agency has filed; veto: the record holder's list, if it keeps one;
    ledger_url: where the oversight body publishes the ledger, in which the verifier then looks for its own
    messages, which it keeps in `own_messages` (SQLite) until it has seen them there."""

    signing_key: Path
    epochs: Path
    custodian_a: Path
    custodian_b: Path
    tag_key: Path
    register: PathOrUrl
    counts: Path
    waiting: Path
    rolls: Path | None = None
    veto: Path | None = None
    ledger_url: LedgerUrl | None = None
    ledger_every_s: LedgerEvery = LOOK_EVERY_S
    own_messages: Path | None = None
