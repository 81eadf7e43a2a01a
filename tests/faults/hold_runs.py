"""One hold placed and lifted in the middle of a full load, and everything that must then be true.

Used on one nats-server and on a cluster of three. What the stream holds is read past the services.
"""

import os
import random
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
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
from tests.faults.processes import Processes
from tests.faults.releases import Releases
from tests.faults.waiting import until
from tests.integration.asking import Asking
from tests.integration.bus import Bus
from tests.integration.holds import Officials
from tests.integration.wire import Refusal

JURISDICTIONS = ("federal", "mad", "nysd")
KINDS = ("all", "agency", "jurisdiction", "person")
QUERIES = 10


class Plan(Struct, frozen=True):
    """kind: of the scope; moment: so many messages of the run are stored when the hold is placed.

    is_paused: the verifier, between a decision and its publishing. auditor_sleeps: from before the first
    request until the hold is stored, so that there are verdicts from before it which are not released yet.
    """

    kind: str
    jurisdiction: str
    moment: int
    is_paused: bool
    auditor_sleeps: bool


def draw(seed: str, requests: int, *, is_paused: bool, auditor_sleeps: bool = False) -> Plan:
    dice = random.Random(seed)
    kind, jurisdiction = dice.choice(KINDS), dice.choice(JURISDICTIONS)
    return Plan(kind, jurisdiction, dice.randrange(1, 2 * requests), is_paused, auditor_sleeps)


class World(Struct, frozen=True):
    """A running system, as the test reaches it. pause: the file that pauses its verifier."""

    services: Processes
    bus: Bus
    officials: Officials
    releases: Releases
    profile: Profile
    pause: Path


class Asked(Struct, frozen=True):
    """A stored request, and every scope that covers it."""

    request_id: str
    sequence: int
    scopes: frozenset[str]


def carry_out(
    world: World,
    plan: Plan,
    asks: Sequence[Ask],
    before: Callable[[], None] = lambda: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> bool:
    """One run -> whether the verifier was paused between a decision and its publishing.

    before, meanwhile: what else happens just before the hold is placed, and while it is in force. Fails where
    a hold let anything through, or where anything was lost.
    """
    bus, base = world.bus, world.bus.last_sequence()
    stream = _Stream(bus, base)
    asking = Asking(world.profile, _in_jurisdictions(asks))
    asleep = world.releases.number
    if plan.auditor_sleeps:
        os.kill(world.services.pid("auditor"), signal.SIGSTOP)
    asking.start()
    until(lambda: bus.last_sequence() >= base + min(plan.moment, len(asks)), "requests are stored")
    paused = plan.is_paused and _pause(world, base + 2 * len(asks))
    until(lambda: paused or bus.last_sequence() >= base + plan.moment, "its moment has come")
    scope = _scope(bus, plan, stream)
    before()
    slot, placed = world.officials.hold(scope)
    if paused:
        os.kill(world.services.pid("verifier"), signal.SIGCONT)
    if plan.auditor_sleeps:
        os.kill(world.services.pid("auditor"), signal.SIGCONT)
    mark = _mark(world, stream, placed)
    if plan.auditor_sleeps:
        # Nothing can have been on its way.
        mark = asleep
    meanwhile()

    until(lambda: len(stream.asked()) == len(asks), "every request is stored")
    asked = stream.asked()
    held = [each for each in asked if scope in each.scopes]
    _require_settled(world, stream, slot, held)
    verdicts = stream.verdicts()
    behind = [each for each in held if verdicts.get(each.request_id, 0) > placed]
    assert not behind, f"{len(behind)} verdicts behind the hold of {scope}"
    late = {each.request_id for each in held} & world.releases.since(mark)
    assert not late, f"{len(late)} released after the hold of {scope}"
    _require_withheld(world, [each for each in held if each.request_id not in world.releases.since()])

    world.officials.lift(slot)
    asking.join()
    answers = {each.request_id: each.outcome for each in asking.results}
    assert answers.keys() == {each.request_id for each in asked}, "one result for each request"
    assert "unanswered" not in answers.values()
    assert stream.verdicts().keys() == answers.keys(), "one verdict for each request"
    return paused


def _in_jurisdictions(asks: Sequence[Ask]) -> list[Ask]:
    return [replace(ask, jurisdiction=JURISDICTIONS[n % 3]) for n, ask in enumerate(asks)]


def _pause(world: World, end: int) -> bool:
    """Waits until the verifier has stopped itself; False if there was nothing left to decide."""
    world.pause.touch()
    until(lambda: _is_stopped(world) or world.bus.last_sequence() >= end, "the verifier pauses")
    world.pause.unlink(missing_ok=True)
    # It may have taken the file and be about to stop.
    with suppress(AssertionError):
        until(lambda: _is_stopped(world), "it has stopped", limit_s=0.2)
    return _is_stopped(world)


def _is_stopped(world: World) -> bool:
    state = Path(f"/proc/{world.services.pid('verifier')}/stat").read_text(encoding="latin-1")
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
            return next(scope for scope in stream.asked()[-1].scopes if scope.startswith("person:"))


def _mark(world: World, stream: "_Stream", placed: int) -> int:
    """How much was released by the time at which the auditor must have known the hold.

    What it was handing out when the hold was stored may still arrive until then: it records the hold only
    after it has handed out everything before.
    """
    until(lambda: ledger_size(world.bus.system) >= placed, "the hold is recorded")
    return world.releases.mark(stream.asked()[0].request_id)


def _require_settled(world: World, stream: "_Stream", slot: int, held: Sequence[Asked]) -> None:
    """Returns once all that may be answered is, and all that must wait does."""
    free = {each.request_id for each in stream.asked()} - {each.request_id for each in held}

    def is_settled() -> bool:
        verdicts = stream.verdicts()
        waiting = sum(each.request_id not in verdicts for each in held)
        status = world.services.status("verifier")
        return (
            free <= verdicts.keys()
            and status.get("control_slot") == slot
            and status["waiting"]["total"] == waiting
        )

    until(is_settled, "what is free is answered, what is held waits")
    until(lambda: ledger_size(world.bus.system) >= world.bus.last_sequence(), "all is recorded")


def _require_withheld(world: World, held: Sequence[Asked]) -> None:
    for each in held[:QUERIES]:
        answer = _result(world.bus, each.request_id)
        assert answer["type"] == "result-pending", "the auditor handed out what a hold covers"


def _result(bus: Bus, request_id: str) -> dict[str, Any]:
    """What the auditor answers; it says nothing while it can't know what is in force, and is asked again."""
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
    """What the stream holds behind `base`; each message is read once, since none of them can change."""

    def __init__(self, bus: Bus, base: int) -> None:
        self._bus = bus
        self._next = base + 1
        self._scopes = _Scopes(bus)
        self._asked: list[Asked] = []
        self._verdicts: dict[str, int] = {}

    def asked(self) -> list[Asked]:
        self._read()
        return self._asked

    def verdicts(self) -> dict[str, int]:
        """Request id -> sequence. Fails on a second one."""
        self._read()
        return self._verdicts

    def _read(self) -> None:
        for stored in self._bus.messages(self._next):
            self._next = stored.sequence + 1
            request_id = stored.subject.rpartition(".")[2]
            if ".request." in stored.subject:
                self._asked.append(self._scopes.of(stored))
            elif ".verdict." in stored.subject:
                assert request_id not in self._verdicts, "two verdicts to one request"
                self._verdicts[request_id] = stored.sequence


class _Scopes:
    """Reads requests with the holder's keys, as nobody else can."""

    def __init__(self, bus: Bus) -> None:
        layout, holder = bus.system.layout, bus.system.agreement.holder
        [epoch] = epoch_files(layout).records()
        private = epoch_files(layout).load(epoch.key_id)
        self._bus = bus
        self._opener = Opener({epoch.key_id: private})
        self._tagger = Tagger(read_secret(layout.tag_key(holder)))
        self._rules = load_rules()

    def of(self, stored: Stored) -> Asked:
        system, at = self._bus.system, moment(stored.time_ns)
        content = open_request(
            stored.subject, stored.body, stored.sequence, at, system.signed, self._bus.subjects, self._opener
        )
        assert isinstance(content, Readable)
        ref, jurisdiction = content.ref, content.request.jurisdiction
        person = self._tagger.tags(ref.agency, content.particulars, self._rules).person
        scopes = {"all", f"agency:{ref.agency}", f"jurisdiction:{jurisdiction}", f"person:{person}"}
        return Asked(ref.request_id, stored.sequence, frozenset(scopes))
