"""Settings of the auditor. Called by its command line."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings


class AuditorSettings(ServiceSettings, frozen=True, kw_only=True):
    """sealing_key: opens what is sealed to oversight, a PEM file or a pattern of several (`seal*.pem`);
    ledger_key: signs checkpoints; ledger: directory; policy: a tlog-policy file whose witnesses, with their
    URLs, are asked to cosign; index: SQLite, by default `<ledger>.index.db` beside it, never inside, since
    the ledger's files are published."""

    sealing_key: Path
    ledger_key: Path
    ledger: Path
    policy: Path | None = None
    index: Path | None = None

    @property
    def index_file(self) -> Path:
        return self.index or self.ledger.with_name(f"{self.ledger.name}.index.db")
