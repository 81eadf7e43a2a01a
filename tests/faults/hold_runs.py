"""One run: a hold is placed and lifted during a full load, and everything that must then be true.

For one nats-server and for a cluster of three. The stream is read without the services.
"""

import os
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from glomar_local.provision.credentials import epoch_files
from glomar_requester import Ask, Profile
from glomar_runtime.bus.stream import Stored, moment
from glomar_schemas.crypto.sealing import Opener
from glomar_schemas.keys import read_secret
from glomar_schemas.messages import ResultQuery, encode
from glomar_verifier.decisions.open_request import Readable, open_request
from glomar_verifier.matching.rules import load_rules
from glomar_verifier.quotas.tags import Tagger
from msgspec import Struct
from msgspec.structs import replace

from tests.faults.evidence import ledger_size
from tests.faults.releases import Releases
from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.polling import until
from tests.support.requesting import BackgroundRequests
from tests.support.service_processes import Processes
from tests.support.wire import Refusal

JURISDICTIONS = ("federal", "mad", "nysd")
KINDS = ("all", "agency", "jurisdiction", "person")
QUERIES = 10


class Plan(Struct, frozen=True):
    """kind: of the scope; moment: how many messages of the run are stored when the hold is placed.

    is_verifier_paused: between a decision and its publishing. is_auditor_stopped: from before the first
    request until the hold is stored, so that verdicts from before the hold are not yet released.
    """

    kind: str
    jurisdiction: str
    moment: int
    is_verifier_paused: bool
    is_auditor_stopped: bool


def draw(seed: str, requests: int, *, is_verifier_paused: bool, is_auditor_stopped: bool = False) -> Plan:
    dice = random.Random(seed)
    kind, jurisdiction = dice.choice(KINDS), dice.choice(JURISDICTIONS)
    return Plan(kind, jurisdiction, dice.randrange(1, 2 * requests), is_verifier_paused, is_auditor_stopped)


class LiveSystem(Struct, frozen=True):
    """A running system. pause: the file that pauses its verifier."""

    services: Processes
    bus: Bus
    controls: ControlPublisher
    releases: Releases
    profile: Profile
    pause: Path


class StoredRequest(Struct, frozen=True):
    """A request in the stream, and every scope that covers it."""

    request_id: str
    sequence: int
    scopes: frozenset[str]


def run_hold(
    live: LiveSystem,
    plan: Plan,
    asks: Sequence[Ask],
    before: Callable[[], None] = lambda: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> bool:
    """One run -> whether the verifier was paused between a decision and its publishing.

    before, meanwhile: called just before the hold is placed, and while it is in force. Fails if the hold
    did not stop a message in its scope, or if a message was lost.
    """
    bus, base = live.bus, live.bus.last_sequence()
    stream = _Stream(bus, base)
    background = BackgroundRequests(live.profile, _in_jurisdictions(asks))
    released_before = live.releases.number
    if plan.is_auditor_stopped:
        os.kill(live.services.pid("auditor"), signal.SIGSTOP)
    background.start()
    until(lambda: bus.last_sequence() >= base + min(plan.moment, len(asks)), "requests are stored")
    paused = plan.is_verifier_paused and _pause(live, base + 2 * len(asks))
    until(lambda: paused or bus.last_sequence() >= base + plan.moment, "the moment of the hold is reached")
    scope = _scope(bus, plan, stream)
    before()
    slot, placed = live.controls.hold(scope)
    if paused:
        os.kill(live.services.pid("verifier"), signal.SIGCONT)
    if plan.is_auditor_stopped:
        os.kill(live.services.pid("auditor"), signal.SIGCONT)
    mark = _mark(live, stream, placed)
    if plan.is_auditor_stopped:
        # The auditor was stopped, so nothing was still being released.
        mark = released_before
    meanwhile()

    until(lambda: len(stream.requests()) == len(asks), "every request is stored")
    requests = stream.requests()
    held = [each for each in requests if scope in each.scopes]
    _require_settled(live, stream, slot, held)
    verdicts = stream.verdicts()
    stored_after = [each for each in held if verdicts.get(each.request_id, 0) > placed]
    assert not stored_after, f"{len(stored_after)} verdicts stored after the hold of {scope}"
    late = {each.request_id for each in held} & live.releases.since(mark)
    assert not late, f"{len(late)} released after the hold of {scope}"
    _require_withheld(live, [each for each in held if each.request_id not in live.releases.since()])

    live.controls.lift(slot)
    background.join()
    answers = {each.request_id: each.outcome for each in background.results}
    assert answers.keys() == {each.request_id for each in requests}, "one result for each request"
    assert "unanswered" not in answers.values()
    assert stream.verdicts().keys() == answers.keys(), "one verdict for each request"
    return paused


def _in_jurisdictions(asks: Sequence[Ask]) -> list[Ask]:
    return [replace(ask, jurisdiction=JURISDICTIONS[n % 3]) for n, ask in enumerate(asks)]


def _pause(live: LiveSystem, end: int) -> bool:
    """Waits until the verifier has stopped itself. False: nothing was left to decide."""
    live.pause.touch()
    until(lambda: _is_stopped(live) or live.bus.last_sequence() >= end, "the verifier pauses")
    try:
        live.pause.unlink()
    except FileNotFoundError:
        # The verifier has removed the file, so it stops.
        until(lambda: _is_stopped(live), "it has stopped")
        return True
    return False


def _is_stopped(live: LiveSystem) -> bool:
    state = Path(f"/proc/{live.services.pid('verifier')}/stat").read_text(encoding="latin-1")
    return state.rpartition(")")[2].split()[0] == "T"


def _scope(bus: Bus, plan: Plan, stream: "_Stream") -> str:
    match plan.kind:
        case "all":
            return "all"
        case "agency":
            return f"agency:{bus.system.agency}"
        case "jurisdiction":
            return f"jurisdiction:{plan.jurisdiction}"
        case _:
            return next(scope for scope in stream.requests()[-1].scopes if scope.startswith("person:"))


def _mark(live: LiveSystem, stream: "_Stream", placed: int) -> int:
    """The number of releases when the auditor has recorded the hold.

    Until then verdicts from before the hold may still be released: the auditor records the hold after it has
    released everything before it.
    """
    until(lambda: ledger_size(live.bus.system) >= placed, "the hold is recorded")
    return live.releases.mark(stream.requests()[0].request_id)


def _require_settled(live: LiveSystem, stream: "_Stream", slot: int, held: Sequence[StoredRequest]) -> None:
    """Returns once everything outside the hold is answered, and everything under it waits."""
    free = {each.request_id for each in stream.requests()} - {each.request_id for each in held}

    def is_settled() -> bool:
        verdicts = stream.verdicts()
        waiting = sum(each.request_id not in verdicts for each in held)
        status = live.services.status("verifier")
        return (
            free <= verdicts.keys()
            and status.get("control_slot") == slot
            and status["waiting"]["total"] == waiting
        )

    until(is_settled, "requests outside the hold are answered, the others wait")
    until(lambda: ledger_size(live.bus.system) >= live.bus.last_sequence(), "all is recorded")


def _require_withheld(live: LiveSystem, held: Sequence[StoredRequest]) -> None:
    for each in held[:QUERIES]:
        answer = _result(live.bus, each.request_id)
        assert answer["type"] == "result-pending", "the auditor released what a hold covers"


def _result(bus: Bus, request_id: str) -> dict[str, Any]:
    """The auditor's answer. The query is repeated while the auditor can't know what is in force."""
    agency, answers = bus.system.agency, list[dict[str, Any]]()

    def is_answered() -> bool:
        try:
            query = encode(ResultQuery(request_id=request_id))
            answers.append(bus.wire(agency).ask(bus.subjects.result(agency).encode(), query))
        except (OSError, Refusal):
            bus.forget(agency)
        return bool(answers)

    until(is_answered, "the auditor answers a query")
    return answers[0]


class _Stream:
    """The messages of the stream after `base`. Each is read once, since no message can change."""

    def __init__(self, bus: Bus, base: int) -> None:
        self._bus = bus
        self._next = base + 1
        self._scopes = _Scopes(bus)
        self._requests: list[StoredRequest] = []
        self._verdicts: dict[str, int] = {}

    def requests(self) -> list[StoredRequest]:
        self._read()
        return self._requests

    def verdicts(self) -> dict[str, int]:
        """Request id -> sequence. Fails on a second one."""
        self._read()
        return self._verdicts

    def _read(self) -> None:
        for stored in self._bus.messages(self._next):
            self._next = stored.sequence + 1
            request_id = stored.subject.rpartition(".")[2]
            if ".request." in stored.subject:
                self._requests.append(self._scopes.of(stored))
            elif ".verdict." in stored.subject:
                assert request_id not in self._verdicts, "two verdicts to one request"
                self._verdicts[request_id] = stored.sequence


class _Scopes:
    """Opens requests with the record holder's keys."""

    def __init__(self, bus: Bus) -> None:
        layout, holder = bus.system.layout, bus.system.agreement.holder
        [epoch] = epoch_files(layout).records()
        private = epoch_files(layout).load(epoch.key_id)
        self._bus = bus
        self._opener = Opener({epoch.key_id: private})
        self._tagger = Tagger(read_secret(layout.tag_key(holder)))
        self._rules = load_rules()

    def of(self, stored: Stored) -> StoredRequest:
        system, at = self._bus.system, moment(stored.time_ns)
        content = open_request(
            stored.subject, stored.body, stored.sequence, at, system.signed, self._bus.subjects, self._opener
        )
        assert isinstance(content, Readable)
        ref, jurisdiction = content.ref, content.request.jurisdiction
        person = self._tagger.tags(ref.agency, content.particulars, self._rules).person
        scopes = {"all", f"agency:{ref.agency}", f"jurisdiction:{jurisdiction}", f"person:{person}"}
        return StoredRequest(ref.request_id, stored.sequence, frozenset(scopes))
