"""Settings of the auditor."""

from pathlib import Path
from typing import Annotated

from glomar_runtime.settings import ServiceSettings
from msgspec import Meta


class AuditorSettings(ServiceSettings, frozen=True, kw_only=True):
    """What the oversight body's service needs besides the settings of every service."""

    sealing_key: Annotated[
        Path,
        Meta(
            description="The key that opens what is sealed to oversight: a PEM file of mode 0600, or a "
            "pattern of several (`seal*.pem`)."
        ),
    ]
    ledger_key: Annotated[Path, Meta(description="The key that signs checkpoints (Ed25519, PEM, mode 0600).")]
    ledger: Annotated[Path, Meta(description="The directory of the ledger.")]
    policy: Annotated[
        Path | None,
        Meta(description="A tlog-policy file. The witnesses in it that have a URL are asked to cosign."),
    ] = None
    index: Annotated[
        Path | None,
        Meta(
            description="The SQLite file of the search index; by default `<ledger>.index.db` beside the "
            "ledger. Never inside it: those files are published."
        ),
    ] = None

    @property
    def index_file(self) -> Path:
        return self.index or self.ledger.with_name(f"{self.ledger.name}.index.db")
