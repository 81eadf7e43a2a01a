"""`glomar-auditor control`: from a draft to a stored control, and every error on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_schemas.keys import generate, write_private

from tests.integration.control_commands import AGENCY, HOLDER, OVERSIGHT, ControlCommands, require_error_line
from tests.support.bus import Bus, bare_bus

USAGE, REFUSED, UNREACHABLE = 2, 3, 5


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with bare_bus(tmp_path_factory.mktemp("officials") / "data") as running:
        yield running


@pytest.fixture
def commands(bus: Bus, tmp_path: Path) -> ControlCommands:
    return ControlCommands(bus.system.layout, tmp_path)


def key(bus: Bus, party: str) -> str:
    return str(bus.system.layout.private_key(party, "official"))


@pytest.mark.parametrize("carrier", [HOLDER, OVERSIGHT])
def test_a_hold_is_placed_by_one_official_and_lifted_by_two(
    bus: Bus, commands: ControlCommands, carrier: str
) -> None:
    drafted = commands.draft_hold("hold", "jurisdiction:mad", as_=carrier)
    assert (drafted["version"], drafted["signed_by"]) == (1, [])
    slot = drafted["slot"]
    assert commands.sign("hold", "tigta")["missing"] == ""
    placed = commands.publish("hold", as_=carrier)
    assert placed == {"version": 1, "slot": slot, "sequence": bus.last_sequence()}

    commands.draft_lift("lift", slot, as_=carrier)
    assert "two parties" in commands.sign("lift", "irs")["missing"]
    assert commands.sign("lift", "ice")["missing"] == ""
    lifted = commands.publish("lift", as_=carrier)

    assert lifted == {"version": 1, "slot": slot + 1, "sequence": placed["sequence"] + 1}
    stored = bus.at(bus.subjects.control(slot + 1))
    assert stored is not None and stored.sequence == lifted["sequence"]


def test_a_stored_control_can_be_published_again_without_effect(bus: Bus, commands: ControlCommands) -> None:
    commands.draft_hold("hold", "agency:ice")
    commands.sign("hold", "irs")
    first = commands.publish("hold")
    last = bus.last_sequence()

    assert commands.publish("hold") == first
    assert bus.last_sequence() == last


def test_a_draft_is_refused_after_another_control_took_its_slot(bus: Bus, commands: ControlCommands) -> None:
    for name in ("early", "late"):
        commands.draft_hold(name, "agency:ice")
        commands.sign(name, "irs" if name == "early" else "ice")
    commands.publish("early")
    last = bus.last_sequence()

    ended = commands.run("publish", str(commands.file("late")))

    require_error_line(ended, REFUSED, "taken by another control meanwhile")
    assert bus.last_sequence() == last


def test_a_draft_for_a_slot_that_is_not_the_next_is_refused(bus: Bus, commands: ControlCommands) -> None:
    commands.draft_hold("hold", "all", "--slot", "999")
    commands.sign("hold", "irs")
    last = bus.last_sequence()

    require_error_line(commands.run("publish", str(commands.file("hold"))), REFUSED, "not the next one")
    assert bus.last_sequence() == last


def test_too_few_signatures_are_not_published(bus: Bus, commands: ControlCommands) -> None:
    slot = commands.draft_hold("hold", "agency:ice")["slot"]
    last = bus.last_sequence()
    require_error_line(commands.run("publish", str(commands.file("hold"))), REFUSED, "nobody has signed")
    commands.sign("hold", "irs")
    commands.publish("hold")

    commands.draft_lift("lift", slot)
    commands.sign("lift", "irs")

    require_error_line(
        commands.run("publish", str(commands.file("lift"))), REFUSED, "officials of two parties"
    )
    assert bus.last_sequence() == last + 1


def test_a_file_that_was_altered_after_signing_is_not_published(bus: Bus, commands: ControlCommands) -> None:
    commands.draft_hold("hold", "agency:ice")
    commands.draft_hold("wider", "all")
    commands.sign("hold", "irs")
    commands.sign("wider", "irs")
    text, wider = commands.file("hold").read_text(), commands.file("wider").read_text()
    commands.file("hold").write_text(text.replace(_payload(text), _payload(wider)))
    last = bus.last_sequence()

    for command in ("publish", "show"):
        ended = commands.run(command, str(commands.file("hold")))
        require_error_line(ended, REFUSED, "altered after it was signed")
    assert bus.last_sequence() == last


def _payload(text: str) -> str:
    return next(line for line in text.splitlines() if '"payload":' in line)


def test_signing_refuses_a_second_signature_an_unknown_key_and_an_open_key_file(
    bus: Bus, commands: ControlCommands, tmp_path: Path
) -> None:
    commands.draft_hold("hold", "all")
    commands.sign("hold", "irs")
    before = commands.file("hold").read_bytes()
    unknown, service = tmp_path / "unknown.pem", bus.system.layout.private_key("irs", "sign")
    write_private(unknown, generate("official"))
    open_key = tmp_path / "open.pem"
    open_key.write_bytes(bus.system.layout.private_key("ice", "official").read_bytes())
    open_key.chmod(0o644)

    for path, code, words in [
        (key(bus, "irs"), REFUSED, "signed it already"),
        (str(unknown), REFUSED, "does not name"),
        (str(service), REFUSED, "does not name"),
        (str(open_key), USAGE, "open to others"),
        (str(tmp_path / "none.pem"), USAGE, "missing"),
    ]:
        ended = commands.run("sign", str(commands.file("hold")), "--key", path)
        require_error_line(ended, code, words)
    assert commands.file("hold").read_bytes() == before


@pytest.mark.parametrize("scope", ["everything", "agency:cbp", "jurisdiction:Mars", "person:abc"])
def test_a_scope_that_covers_nothing_is_not_drafted(commands: ControlCommands, scope: str) -> None:
    words = ("--scope", scope, "--authority", "Order", "--slot", "2")
    ended = commands.run("draft", "hold", str(commands.file("hold")), *words)

    require_error_line(ended, USAGE, "its scope")
    assert not commands.file("hold").exists()


def test_a_hold_that_is_not_in_force_can_not_be_lifted(commands: ControlCommands) -> None:
    words = ("--lifts", "1", "--authority", "Order")

    require_error_line(
        commands.run("draft", "lift", str(commands.file("lift")), *words), USAGE, "no hold in force"
    )


def test_an_agencys_account_carries_no_control_but_its_official_signs(
    bus: Bus, commands: ControlCommands
) -> None:
    slot = commands.draft_hold("oversight", "all")["slot"]
    commands.draft_hold("hold", "all", "--slot", str(slot), as_=AGENCY)
    commands.sign("hold", "ice")
    last = bus.last_sequence()

    ended = commands.run("publish", str(commands.file("hold")), as_=AGENCY)

    require_error_line(ended, UNREACHABLE, "nobody listens")
    assert bus.last_sequence() == last


def test_show_explains_a_file_in_words(commands: ControlCommands) -> None:
    commands.draft_hold("hold", "jurisdiction:mad", "--reason", "Until the hearing", "--slot", "2")
    commands.sign("hold", "irs")

    shown = commands.run("show", str(commands.file("hold")))

    assert shown.returncode == 0, shown.stderr
    for words in ("Order of the court", "Until the hearing", "mad", "official of irs", "Enough have signed"):
        assert words in shown.stdout
