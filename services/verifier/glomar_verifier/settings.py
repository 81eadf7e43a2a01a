"""Settings of the verifier. Called by its command line."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings


class VerifierSettings(ServiceSettings, frozen=True, kw_only=True):
    """sealing_key: opens particulars; tag_key: 32 bytes for the tags; register, counts, waiting: SQLite;
    veto: the record holder's list, if it keeps one."""

    signing_key: Path
    sealing_key: Path
    tag_key: Path
    register: Path
    counts: Path
    waiting: Path
    veto: Path | None = None
