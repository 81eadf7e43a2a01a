"""Settings of the verifier. Called by its command line."""

from pathlib import Path

from glomar_runtime.settings import PathOrUrl, ServiceSettings


class VerifierSettings(ServiceSettings, frozen=True, kw_only=True):
    """sealing_key: opens particulars; tag_key: 32 bytes for the tags; counts, waiting: SQLite;
    register: a file, or a postgresql:// URL without a password; rolls: a directory with `<agency>.csv`, the
    roll of open cases that the agency has filed."""

    signing_key: Path
    sealing_key: Path
    tag_key: Path
    register: PathOrUrl
    counts: Path
    waiting: Path
    rolls: Path | None = None
