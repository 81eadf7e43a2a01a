"""The history of one request: each of its messages with a proof, its holds, and its state."""

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
from glomar_schemas.subjects import is_request_id, verdict_token
from msgspec import Struct

from glomar_auditor.index.context import OversightContext
from glomar_auditor.index.fill import SignatureCheck, fetch
from glomar_auditor.index.hold_history import HoldSummary, hold_summaries


class HistoryMessage(Struct, frozen=True, kw_only=True):
    """One message. receipt: tlog-proof@v1 under the history's checkpoint; fault: why it does not count."""

    kind: str
    sequence: int
    at: datetime
    subject: str
    sha256: str
    fault: str
    receipt: str


class RequestHistory(Struct, frozen=True, kw_only=True):
    """clear: the fields of the request that are not sealed."""

    request_id: str
    agency: str
    state: str
    clear: dict[str, object]
    outcome: str
    refusals: tuple[Refusal, ...]
    messages: tuple[HistoryMessage, ...]
    holds: tuple[HoldSummary, ...]
    """Those that covered it between its storing and its answer, or cover it now."""
    origin: str
    size: int
    root: str
    checkpoint: str


async def request_histories(context: OversightContext, wanted: str) -> list[RequestHistory]:
    """wanted: a request id or a sequence. Several requests, if several agencies have used the same id.

    Raises Refused (no such request in the ledger), IntegrityError, Unreachable.
    """
    controls = ControlHistory(context.versions, context.subjects)
    await controls.follow(context.client)
    found = [await _history(context, controls, request) async for request in _requests(context, wanted)]
    if not found:
        raise Refused(
            "no such request is in the ledger", where=context.origin, fix="`glomar-auditor search` finds ids"
        )
    return found


async def _requests(context: OversightContext, wanted: str) -> AsyncIterator[Stored]:
    client, subjects = context.client, context.subjects
    sequence = wanted.removeprefix("~")
    if sequence.isascii() and sequence.isdecimal() and len(sequence) < 17:
        if not 0 < int(sequence) <= context.view.size:
            return
        stored = await get_by_sequence(client, subjects.stream, int(sequence))
        if stored is not None and _kind(context, stored) == "request":
            yield stored
    elif is_request_id(wanted):
        agencies = {a for signed in context.versions.by_digest.values() for a in signed.agreement.requesters}
        for agency in sorted(agencies):
            stored = await get_by_subject(client, subjects.stream, subjects.request(agency, wanted))
            if stored is not None and stored.sequence <= context.view.size:
                yield stored


async def _history(context: OversightContext, controls: ControlHistory, request: Stored) -> RequestHistory:
    address, view = context.subjects.parse(request.subject), context.view
    found = await _messages(context, request)
    messages = {kind: await _proved(context, controls, kind, stored) for kind, stored in found.items()}
    clear, verdict = _clear(request), found.get("verdict")
    answer, person = _answer(context, verdict, address.agency)
    jurisdiction = str(clear.get("jurisdiction", ""))
    last = verdict.sequence if verdict else view.size
    holds = (
        hold
        for hold in hold_summaries(controls.controls)
        if Hold(hold.slot, hold.scope, "").covers(address.agency, jurisdiction, person)
        and (
            hold.lifted_sequence is None
            or (request.sequence < hold.lifted_sequence and hold.sequence <= last)
        )
    )
    now = controls.in_force.hold_on(address.agency, jurisdiction, person)
    then = controls.before(last).hold_on(address.agency, jurisdiction, person) if verdict else None
    return RequestHistory(
        request_id=address.token,
        agency=address.agency,
        state=_state(messages, then, now),
        clear=clear,
        outcome=_outcome(answer),
        refusals=answer.refusals if answer else (),
        messages=tuple(messages.values()),
        holds=tuple(holds),
        origin=view.checkpoint.origin,
        size=view.size,
        root=view.checkpoint.root.hex(),
        checkpoint=view.note,
    )


async def _messages(context: OversightContext, request: Stored) -> dict[str, Stored]:
    """The messages about a request that the ledger has, by kind."""
    subjects, address = context.subjects, context.subjects.parse(request.subject)
    found = {"request": request}
    for kind, subject in (
        ("verdict", subjects.verdict(address.agency, verdict_token(address.token, request.sequence))),
        ("recall", subjects.recall(address.agency, address.token)),
        ("ack", subjects.ack(address.agency, address.token)),
    ):
        stored = await get_by_subject(context.client, subjects.stream, subject)
        if stored is not None and stored.sequence <= context.view.size:
            found[kind] = stored
    return found


async def _proved(
    context: OversightContext, controls: ControlHistory, kind: str, stored: Stored
) -> HistoryMessage:
    """Raises IntegrityError unless the ledger has this message and proves it."""
    leaf = next(context.view.leaves(stored.sequence - 1))
    await fetch(context.client, context.subjects.stream, stored.sequence, leaf)
    record = context.reader.read(stored, SignatureCheck(controls, context.subjects).fault)
    return HistoryMessage(
        kind=kind,
        sequence=stored.sequence,
        at=moment(stored.time_ns),
        subject=stored.subject,
        sha256=hashlib.sha256(stored.body).hexdigest(),
        fault=record.fault,
        receipt=context.view.receipt(stored.sequence),
    )


def _state(messages: dict[str, HistoryMessage], then: Hold | None, now: Hold | None) -> str:
    """then: the hold that covered the request when the stream stored its verdict."""
    verdict = messages.get("verdict")
    if verdict is None:
        return f"waiting under hold {now.slot}" if now else "not answered yet"
    if verdict.fault:
        return f"never released: the message under the verdict's subject does not count ({verdict.fault})"
    if then is not None:
        return f"never released: violation, the verdict was stored under hold {then.slot}"
    certified = "ack" in messages and not messages["ack"].fault
    if "recall" in messages and not messages["recall"].fault:
        return "taken back; " + (
            "its destruction is certified" if certified else "no certificate of destruction yet"
        )
    if certified:
        return "released, and destroyed: the agency has certified it"
    return f"withheld under hold {now.slot}" if now else "free to be released since it was recorded"


def _clear(request: Stored) -> dict[str, object]:
    """Every field of a request but its particulars; none if it is malformed."""
    try:
        found, _ = open_envelope(request.body, Request, request.subject)
    except Refused:
        return {}
    fields: dict[str, object] = msgspec.to_builtins(found)
    return {name: value for name, value in fields.items() if name not in ("particulars", "type", "subject")}


def _answer(context: OversightContext, verdict: Stored | None, agency: str) -> tuple[Answer | None, str]:
    """The answer and the person's tag; None and "" if it does not open."""
    if verdict is None:
        return None, ""
    try:
        opened, _ = open_envelope(verdict.body, Verdict, verdict.subject)
        return context.reader.answer(opened, agency), context.reader.open_verdict(opened, agency).person
    except Refused:
        return None, ""


def _outcome(answer: Answer | None) -> str:
    if answer is None:
        return ""
    return answer.outcome if answer.record_consulted else "refused"


def _kind(context: OversightContext, stored: Stored) -> str:
    try:
        return context.subjects.parse(stored.subject).kind
    except Refused:
        return ""
