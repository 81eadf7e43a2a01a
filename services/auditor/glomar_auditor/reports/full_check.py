"""Opens what a report is counted from: a temporary index, filled with every message and signature checked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.cli import Advance, progress
from glomar_schemas.errors import Refused

from glomar_auditor.index.context import OversightContext, open_context
from glomar_auditor.index.database import Index
from glomar_auditor.index.fill import SignatureCheck, fill
from glomar_auditor.reports.count import ReportSource


@asynccontextmanager
async def open_source(
    config: Path, name: str, *, quick: bool, checkpoint: Path | None = None
) -> AsyncIterator[tuple[OversightContext, ReportSource]]:
    """quick: the index that the auditor keeps, unchecked.

    Raises IntegrityError, Unreachable, Misconfigured, Refused (the kept index has not all entries yet).
    """
    async with open_context(config, name, checkpoint) as context:
        if quick:
            index = context.index()
            if index.size < context.view.size:
                raise Refused(
                    f"the index has {index.size} of {context.view.size} entries so far",
                    fix="Leave out --quick",
                )
        else:
            with progress("reading ledger and stream") as advance:
                index = await _filled(context, advance)
        index.limit_to(context.view.size)
        try:
            yield (
                context,
                ReportSource(
                    index,
                    context.reader,
                    context.view,
                    context.versions,
                    context.subjects,
                    evidence=not quick,
                ),
            )
        finally:
            index.close()


async def _filled(context: OversightContext, advance: Advance) -> Index:
    index = Index(None, context.origin)
    check = SignatureCheck(ControlHistory(context.versions, context.subjects), context.subjects)
    stream = context.subjects.stream
    await fill(
        index, context.reader, context.client, stream, context.view, check=check.fault, advance=advance
    )
    return index
