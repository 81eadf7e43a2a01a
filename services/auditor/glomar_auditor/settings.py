"""Settings of the auditor. Called by its command line."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings


class AuditorSettings(ServiceSettings, frozen=True, kw_only=True):
    """sealing_key: opens what is sealed to oversight, a PEM file or a pattern of several (`seal*.pem`);
    ledger_key: signs checkpoints; ledger: directory; policy: a tlog-policy file whose witnesses, with their
    URLs, are asked to cosign."""

    sealing_key: Path
    ledger_key: Path
    ledger: Path
    policy: Path | None = None
