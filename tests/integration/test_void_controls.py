"""A void control: it uses its slot, is recorded, is logged once, and changes nothing."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from glomar_local.layout import Layout
from glomar_local.provision.credentials import official
from glomar_local.provision.provision import System, provision
from glomar_schemas.crypto.dsse import Signer, seal_envelope
from glomar_schemas.keys import generate, read_signing_key
from glomar_schemas.messages import Control
from msgspec.structs import replace

from tests.support.bus import Bus
from tests.support.controls import ControlPublisher
from tests.support.polling import wait_until
from tests.support.recorded import await_ledger
from tests.support.requesting import ask_all, confirmable, profile
from tests.support.running_system import RunningSystem, glomar_up
from tests.support.service_processes import get_json

HELD = "jurisdiction:mad"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with glomar_up(tmp_path_factory.mktemp("void") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def bus(running: RunningSystem) -> Iterator[Bus]:
    """With one hold in force, which a void control must not change."""
    with Bus(provision(running.layout, running.ports)) as found:
        ControlPublisher(found).hold(HELD)
        yield found


def status(running: RunningSystem, service: str) -> dict[str, Any]:
    return get_json(f"http://127.0.0.1:{running.ports.named()[service]}/status")


def is_at_slot(running: RunningSystem, service: str, slot: int) -> bool:
    return bool(status(running, service)["control_slot"] == slot)


def control(system: System, slot: int, **fields: object) -> Control:
    drawn = Control(
        slot=slot,
        subject=system.subjects.control(slot),
        agreement=system.agreement.id,
        action="hold",
        agreement_digest=system.signed.digest,
        authority="Order of the court",
        issued_at=system.agreement.valid_from,
    )
    return replace(drawn, **fields)


def signed(system: System, slot: int, *parties: str, **fields: object) -> bytes:
    return seal_envelope(
        control(system, slot, **fields), [official(system.layout, party) for party in parties]
    )


def by_key(layout: Layout, party: str, use: str) -> Signer:
    return Signer(read_signing_key(layout.private_key(party, use)))  # type: ignore[arg-type]


def unsigned(system: System, slot: int) -> bytes:
    envelope = json.loads(signed(system, slot, "irs"))
    return json.dumps({**envelope, "signatures": []}).encode()


def altered(system: System, slot: int) -> bytes:
    narrow, wide = signed(system, slot, "irs", scope=HELD), signed(system, slot, "irs", scope="all")
    return json.dumps({**json.loads(narrow), "payload": json.loads(wide)["payload"]}).encode()


Make = Callable[[System, int], bytes]
VOID: dict[str, Make] = {
    "empty": lambda _, __: b"",
    "no envelope": lambda _, __: b'{"hold": "all"}',
    "unsigned": unsigned,
    "altered after it was signed": altered,
    "signed by a service of the holder": lambda system, slot: seal_envelope(
        control(system, slot), [by_key(system.layout, "irs", "sign")]
    ),
    "signed by an unknown key": lambda system, slot: seal_envelope(
        control(system, slot),
        [Signer(generate("official"))],  # type: ignore[arg-type]
    ),
    "signed by an official and an unknown key": lambda system, slot: seal_envelope(
        control(system, slot),
        [official(system.layout, "irs"), Signer(generate("official"))],  # type: ignore[arg-type]
    ),
    "replayed from another slot": lambda system, _: signed(system, 2, "irs"),
    "of another agreement": lambda system, slot: signed(system, slot, "irs", agreement="ssa-usda-2026"),
    "an unknown kind of scope": lambda system, slot: signed(system, slot, "irs", scope="agncy:ice"),
    "an unknown agency": lambda system, slot: signed(system, slot, "irs", scope="agency:cbp"),
    "an unknown jurisdiction": lambda system, slot: signed(system, slot, "irs", scope="jurisdiction:Mars"),
    "an invalid tag": lambda system, slot: signed(system, slot, "irs", scope="person:abc"),
    "a lift by one official": lambda system, slot: signed(system, slot, "irs", action="lift", lifts=2),
    "a lift by one party twice": lambda system, slot: signed(
        system, slot, "irs", "irs", action="lift", lifts=2
    ),
    "a lift of no hold": lambda system, slot: signed(system, slot, "irs", "ice", action="lift", lifts=1),
    "a lift of nothing": lambda system, slot: signed(system, slot, "irs", "ice", action="lift"),
    "an agreement without the agency": lambda system, slot: signed(
        system, slot, "irs", "tigta", action="agreement"
    ),
}


@pytest.mark.parametrize("case", VOID)
def test_a_void_control_is_recorded_logged_once_and_changes_nothing(
    running: RunningSystem, bus: Bus, case: str
) -> None:
    assert wait_until(lambda: status(running, "verifier").get("holds"))
    slot = status(running, "verifier")["control_slot"] + 1
    before = status(running, "verifier")["holds"]
    body = VOID[case](bus.system, slot)

    sequence = bus.wire("tigta").ask(bus.subjects.control(slot).encode(), body)["seq"]

    for service in ("verifier", "auditor"):
        assert wait_until(partial(is_at_slot, running, service, slot)), f"{service} processed the control"
        assert status(running, service)["holds"] == before
        assert logged_as_void(running, service).count(sequence) == 1
    assert await_ledger(bus)[sequence - 1].subject == bus.subjects.control(slot)


def test_requests_are_still_answered_after_void_controls(
    running: RunningSystem, bus: Bus, tmp_path: Any
) -> None:
    asks = [replace(each, jurisdiction="federal") for each in confirmable(3)]

    results = ask_all(profile(running.layout, tmp_path / "store.db"), asks)

    assert [each.outcome for each in results] == ["confirm"] * 3


def logged_as_void(running: RunningSystem, service: str) -> list[int]:
    """The sequences of void controls in the service's log."""
    lines = map(json.loads, running.layout.log(service).read_text().splitlines())
    return [line["sequence"] for line in lines if line["message"] == "a control is void"]
