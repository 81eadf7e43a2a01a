"""Builds a register at a place: in a file, or through a temporary file in PostgreSQL."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from glomar_verifier.matching.addresses import AddressForm
from glomar_verifier.matching.rules import Rules
from glomar_verifier.register.build import BuildReport, build
from glomar_verifier.register.left_out import LeftOutRows
from glomar_verifier.register.open import is_server, require_driver

Progress = Callable[[str, int, int], None]
"""progress(step, done, of)."""


def build_into(
    place: str,
    source: Path,
    rules: Rules,
    *,
    address_form: AddressForm = "us",
    progress: Progress | None = None,
    left_out: LeftOutRows | None = None,
    max_left_out: float = 1.0,
) -> BuildReport:
    """`place`: a path, or a postgresql:// URL. For a server the register is built in a private temporary
    directory (TMPDIR), then it is loaded.

    `left_out` and `max_left_out` as in `build`. Raises Malformed, Misconfigured, Unreachable; then the old
    register stays."""
    build_file = partial(
        build, source, rules=rules, address_form=address_form, left_out=left_out, max_left_out=max_left_out
    )
    report_progress = progress or (lambda step, done, of: None)

    def building(done: int, of: int) -> None:
        report_progress("building", done, of)

    if not is_server(place):
        return build_file(Path(place), progress=building)
    require_driver()
    from glomar_verifier.register.postgres_connection import connect
    from glomar_verifier.register.postgres_load import load

    # Fails now, and not after minutes of building.
    connect(place, reading=True).close()
    with tempfile.TemporaryDirectory(prefix="glomar-register-") as directory:
        built = Path(directory) / "register.db"
        report = build_file(built, progress=building)
        load(built, place, lambda done, of: report_progress("loading", done, of))
    return report
