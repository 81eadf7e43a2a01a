"""Settings of the verifier."""

from pathlib import Path
from typing import Annotated

from glomar_runtime.settings import LedgerEvery, LedgerUrl, PathOrUrl, ServiceSettings
from glomar_schemas.tlog.inclusion_watch import CHECK_EVERY_S
from msgspec import Meta


class VerifierSettings(ServiceSettings, frozen=True, kw_only=True):
    """What the record holder's service needs besides the settings of every service."""

    signing_key: Annotated[
        Path, Meta(description="The holder's key that signs verdicts (Ed25519, PEM, mode 0600).")
    ]
    epochs: Annotated[
        Path,
        Meta(description="The directory of the wrapped keys that open particulars, one file for each epoch."),
    ]
    custodian_a: Annotated[
        Path, Meta(description="The first custodian's directory of key shares, on a medium of its own.")
    ]
    custodian_b: Annotated[
        Path, Meta(description="The second custodian's directory of key shares, on another medium.")
    ]
    tag_key: Annotated[
        Path,
        Meta(description="32 random bytes that make the tags of persons and addresses; a file of mode 0600."),
    ]
    register: Annotated[
        PathOrUrl, Meta(description="The register: a file, or a `postgresql://` URL without a password.")
    ]
    counts: Annotated[Path, Meta(description="The SQLite file of the quotas' counts.")]
    waiting: Annotated[Path, Meta(description="The SQLite file of requests that wait under a hold.")]
    rolls: Annotated[
        Path | None,
        Meta(description="The directory of case rolls: `<agency>.csv`, as the agency has filed it."),
    ] = None
    veto: Annotated[
        Path | None, Meta(description="The holder's list of people about whom nothing is disclosed.")
    ] = None
    ledger_url: LedgerUrl | None = None
    ledger_every_s: LedgerEvery = CHECK_EVERY_S
    own_messages: Annotated[
        Path | None,
        Meta(description="The SQLite file of own messages that were not yet found in the ledger."),
    ] = None
