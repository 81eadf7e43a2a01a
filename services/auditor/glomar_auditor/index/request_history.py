"""The whole story of one request, each message with its proof. Called by `show` and by the console."""

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from glomar_runtime.bus.controls import ControlHistory
from glomar_runtime.bus.stream import Stored, get_by_sequence, get_by_subject, moment
from glomar_schemas.agreement.controls import Hold
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.errors import Refused
from glomar_schemas.messages import Answer, Refusal, Request, Verdict
from glomar_schemas.subjects import is_request_id
from msgspec import Struct

from glomar_auditor.index.context import Sight
from glomar_auditor.index.control_history import HoldLine, hold_lines
from glomar_auditor.index.signatures import SignatureCheck
from glomar_auditor.index.stream_messages import fetch


class Told(Struct, frozen=True, kw_only=True):
    """One message. receipt: tlog-proof@v1 under the story's checkpoint; fault: why it does not count."""

    kind: str
    sequence: int
    at: datetime
    subject: str
    sha256: str
    fault: str
    receipt: str


class Story(Struct, frozen=True, kw_only=True):
    """The clear part of the request, what was answered, and where it stands now."""

    request_id: str
    agency: str
    state: str
    clear: dict[str, object]
    outcome: str
    refusals: tuple[Refusal, ...]
    messages: tuple[Told, ...]
    holds: tuple[HoldLine, ...]
    """Those that covered it between its storing and its answer, or cover it now."""
    origin: str
    size: int
    root: str
    checkpoint: str


async def stories(seen: Sight, wanted: str) -> list[Story]:
    """Of that request id, or of the request with that sequence; several agencies may have used one id.

    Raises Refused (no such request in the ledger), IntegrityError, Unreachable.
    """
    history = ControlHistory(seen.versions, seen.subjects)
    await history.follow(seen.client)
    found = [await _story(seen, history, request) async for request in _requests(seen, wanted)]
    if not found:
        raise Refused(
            "no such request is in the ledger", where=seen.origin, fix="`glomar-auditor search` finds ids"
        )
    return found


async def _requests(seen: Sight, wanted: str) -> AsyncIterator[Stored]:
    stream, sequence = seen.subjects.stream, wanted.removeprefix("~")
    if sequence.isascii() and sequence.isdecimal() and len(sequence) < 17:
        if not 0 < int(sequence) <= seen.view.size:
            return
        stored = await get_by_sequence(seen.client, stream, int(sequence))
        if stored is not None and _kind(seen, stored) == "request":
            yield stored
    elif is_request_id(wanted):
        agencies = {a for signed in seen.versions.by_digest.values() for a in signed.agreement.requesters}
        for agency in sorted(agencies):
            stored = await get_by_subject(seen.client, stream, seen.subjects.request(agency, wanted))
            if stored is not None and stored.sequence <= seen.view.size:
                yield stored


async def _story(seen: Sight, history: ControlHistory, request: Stored) -> Story:
    address = seen.subjects.parse(request.subject)
    slot = address.token if is_request_id(address.token) else f"~{request.sequence}"
    found = {"request": request}
    for kind, subject in (
        ("verdict", seen.subjects.verdict(address.agency, slot)),
        ("recall", seen.subjects.recall(address.agency, address.token)),
        ("ack", seen.subjects.ack(address.agency, address.token)),
    ):
        stored = await get_by_subject(seen.client, seen.subjects.stream, subject)
        if stored is not None and stored.sequence <= seen.view.size:
            found[kind] = stored
    told = {kind: await _told(seen, history, kind, stored) for kind, stored in found.items()}
    clear = _clear(request)
    answer, person = _answer(seen, found.get("verdict"), address.agency)
    jurisdiction = str(clear.get("jurisdiction", ""))
    last = found["verdict"].sequence if "verdict" in found else seen.view.size
    holds = (
        hold
        for hold in hold_lines(history.controls)
        if Hold(hold.slot, hold.scope, "").covers(address.agency, jurisdiction, person)
        and (hold.lifted_sequence is None or request.sequence < hold.lifted_sequence)
        and (hold.lifted_sequence is None or hold.sequence <= last)
    )
    now = history.in_force.hold_on(address.agency, jurisdiction, person)
    behind = (
        history.before(last).hold_on(address.agency, jurisdiction, person) if "verdict" in found else None
    )
    return Story(
        request_id=address.token,
        agency=address.agency,
        state=_state(told, behind, now),
        clear=clear,
        outcome=_outcome(answer),
        refusals=answer.refusals if answer else (),
        messages=tuple(told.values()),
        holds=tuple(holds),
        origin=seen.view.checkpoint.origin,
        size=seen.view.size,
        root=seen.view.checkpoint.root.hex(),
        checkpoint=seen.view.note,
    )


async def _told(seen: Sight, history: ControlHistory, kind: str, stored: Stored) -> Told:
    """Raises IntegrityError unless the ledger has just this message, and proves it."""
    leaf = next(seen.view.leaves(stored.sequence - 1))
    await fetch(seen.client, seen.subjects.stream, stored.sequence, leaf)
    record = seen.reading.read(stored, SignatureCheck(history, seen.subjects).fault)
    return Told(
        kind=kind,
        sequence=stored.sequence,
        at=moment(stored.time_ns),
        subject=stored.subject,
        sha256=hashlib.sha256(stored.body).hexdigest(),
        fault=record.fault,
        receipt=seen.view.receipt(stored.sequence),
    )


def _state(told: dict[str, Told], behind: Hold | None, now: Hold | None) -> str:
    verdict = told.get("verdict")
    if verdict is None:
        return f"waiting under hold {now.slot}" if now else "not answered yet"
    if verdict.fault:
        return f"never handed out: the message in the verdict's slot does not count ({verdict.fault})"
    if behind is not None:
        return f"never handed out: violation, the verdict stands behind hold {behind.slot}"
    ack = "ack" in told and not told["ack"].fault
    if "recall" in told and not told["recall"].fault:
        return "taken back; " + (
            "its destruction is certified" if ack else "no certificate of destruction yet"
        )
    if ack:
        return "handed out, and destroyed: the agency has certified it"
    return f"withheld under hold {now.slot}" if now else "free to be handed out since it was recorded"


def _clear(request: Stored) -> dict[str, object]:
    """Everything that a request says but its particulars."""
    try:
        found, _ = open_envelope(request.body, Request, request.subject)
    except Refused:
        return {}
    fields: dict[str, object] = msgspec.to_builtins(found)
    return {name: value for name, value in fields.items() if name not in ("particulars", "type", "subject")}


def _answer(seen: Sight, verdict: Stored | None, agency: str) -> tuple[Answer | None, str]:
    """What it says, and the person's tag; None where it does not open."""
    if verdict is None:
        return None, ""
    try:
        opened, _ = open_envelope(verdict.body, Verdict, verdict.subject)
        return seen.reading.answer(opened, agency), seen.reading.open(opened, agency).person
    except Refused:
        return None, ""


def _outcome(answer: Answer | None) -> str:
    if answer is None:
        return ""
    return answer.outcome if answer.record_consulted else "refused"


def _kind(seen: Sight, stored: Stored) -> str:
    try:
        return seen.subjects.parse(stored.subject).kind
    except Refused:
        return ""
