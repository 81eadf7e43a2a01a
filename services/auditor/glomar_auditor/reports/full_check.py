"""An index of a report's own, filled from ledger and stream with every message and signature checked.

Called by the commands that must not rest on the kept index.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.cli import Advance, progress
from glomar_schemas.errors import Refused

from glomar_auditor.index.context import Sight, sight
from glomar_auditor.index.database import Index
from glomar_auditor.index.fill import fill
from glomar_auditor.index.signatures import SignatureCheck
from glomar_auditor.reports.count import Source


@asynccontextmanager
async def source(
    config: Path, name: str, *, quick: bool, checkpoint: Path | None = None
) -> AsyncIterator[tuple[Sight, Source]]:
    """quick: the kept index as it is. Raises IntegrityError, Unreachable, Misconfigured, Refused (the kept
    index has not got all that the ledger has)."""
    async with sight(config, name, checkpoint) as seen:
        if quick:
            index = seen.index()
            if index.size < seen.view.size:
                raise Refused(
                    f"the index has {index.size} of {seen.view.size} entries so far", fix="Leave out --quick"
                )
        else:
            with progress("reading ledger and stream") as advance:
                index = await _filled(seen, advance)
        index.only(seen.view.size)
        try:
            yield (
                seen,
                Source(index, seen.reading, seen.view, seen.versions, seen.subjects, evidence=not quick),
            )
        finally:
            index.close()


async def _filled(seen: Sight, advance: Advance) -> Index:
    index = Index(None, seen.origin)
    check = SignatureCheck(ControlHistory(seen.versions, seen.subjects), seen.subjects)
    stream = seen.subjects.stream
    await fill(index, seen.reading, seen.client, stream, seen.view, judge=check.fault, advance=advance)
    return index
