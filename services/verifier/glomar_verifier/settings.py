"""Settings of the verifier. Called by its command line."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings


class VerifierSettings(ServiceSettings, frozen=True, kw_only=True):
    """epochs: directory of the keys that open particulars, wrapped; custodian_a, custodian_b: directories of
    their shares, on media of their own; tag_key: 32 bytes for the tags; register, counts, waiting: SQLite."""

    signing_key: Path
    epochs: Path
    custodian_a: Path
    custodian_b: Path
    tag_key: Path
    register: Path
    counts: Path
    waiting: Path
