"""Opens what a report is counted from: a temporary index, filled with every message and signature checked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.bus.stream import Stored, moment
from glomar_runtime.cli import Advance, progress
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Ack, Recall, Request, Verdict
from glomar_schemas.subjects import Subjects

from glomar_auditor.index.context import OversightContext, open_context
from glomar_auditor.index.database import Index
from glomar_auditor.index.fill import fill
from glomar_auditor.reports.count import ReportSource

_KINDS: dict[str, type[Any]] = {"request": Request, "verdict": Verdict, "recall": Recall, "ack": Ack}


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


class SignatureCheck:
    """Checks stored messages by the keys in force at their sequence; a control is added to the history."""

    def __init__(self, history: ControlHistory, subjects: Subjects) -> None:
        self._history = history
        self._subjects = subjects

    def fault(self, stored: Stored) -> str:
        """Why a message does not count; "" if it does. Raises as `ControlHistory.add`."""
        address = self._subjects.parse(stored.subject)
        if address.kind == "control":
            self._history.add(stored)
            return ""
        signed = self._history.before(stored.sequence).signed
        if signed is None:
            return "no agreement was in force"
        party = signed.agreement.holder if address.kind in ("verdict", "recall") else address.agency
        try:
            _, envelope = open_envelope(stored.body, _KINDS[address.kind], stored.subject)
            require_signer(envelope, party, signed.ring, moment(stored.time_ns))
        except Refused as fault:
            return fault.what
        return ""
