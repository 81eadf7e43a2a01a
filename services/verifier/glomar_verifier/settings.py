"""Settings of the verifier. Called by its command line."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings


class VerifierSettings(ServiceSettings, frozen=True, kw_only=True):
    """sealing_key: opens particulars; tag_key: 32 bytes for the tags; register, counts, waiting: SQLite;
    rolls: a directory with `<agency>.csv`, the roll of open cases that the agency has filed;
    veto: the record holder's list, if it keeps one."""

    signing_key: Path
    sealing_key: Path
    tag_key: Path
    register: Path
    counts: Path
    waiting: Path
    rolls: Path | None = None
    veto: Path | None = None
