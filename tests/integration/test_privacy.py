"""Canaries: every kind of request names one synthetic person; then all output is searched for their data.

Searched are all files (stream store, ledger, counts, logs, traces, settings) and the output of commands and
HTTP API. ALLOWED lists where a canary may be, and why.
"""

import asyncio
import base64
import gzip
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from glomar_evaluation.synth import people
from glomar_local.demo import answers, population
from glomar_local.provision.provision import System
from glomar_local.system.open_bus import connected
from glomar_local.system.process import program
from glomar_requester.outgoing.compose import new_request_id
from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.crypto.sealing import PARTICULARS_SIZES, Sealer
from glomar_schemas.messages import Officer, Request
from glomar_schemas.publish import Outgoing, store
from glomar_schemas.request_file import Ask
from msgspec.structs import replace

from tests.integration import canary_search, http_api
from tests.support.bus import Bus
from tests.support.recorded import await_ledger, await_verdicts, open_verdict
from tests.support.registers import write_csv
from tests.support.requesting import ask_all, profile
from tests.support.running_system import RunningSystem, glomar_up, system_of

NAME, SURNAME, STREET, CITY = "Zyxquilla", "Vombrattenhof", "Quorbletharn", "Snarvelton"
ZIP4 = "77002-8461"
REASON, CASE, REFERENCE = "Plumvexator", "XQ-CANARYCASE-9917", "ref-Wuntlebarry"
PERSON = (NAME, SURNAME, STREET, CITY, ZIP4, REASON, CASE)
CLEAR = "Clearbellock"
"""Sent in the clear by an agency, in a body that is not a valid message."""

ALLOWED: MappingProxyType[str, set[str]] = MappingProxyType(
    {
        # The record holder's own register.
        "verifier/register.db": {NAME, SURNAME, STREET, CITY, ZIP4},
        # The agency's own case roll.
        "verifier/rolls/ice.csv": {CASE},
        # The agency's own reference of its request, returned with the result. No personal data.
        "requester/store.db": {REFERENCE},
        "requester/store.db-wal": {REFERENCE},
        # The stream stores each body unchanged, so that its digest can be checked.
        "nats/store": {CLEAR},
    }
)
EVERY_CANARY = (*PERSON, REFERENCE, CLEAR)
REGISTER_ROW = {
    "person_id": "CANARY-1",
    "first_name": NAME,
    "last_name": SURNAME,
    "date_of_birth": "1971-03-09",
    "street_number": "4417",
    "street_name": f"{STREET} Way",
    "city": CITY,
    "state": "TX",
    "zip": ZIP4,
    "from_year": "2015",
}
LAWFUL = Ask(
    reference=REFERENCE,
    first_name=NAME,
    last_name=SURNAME,
    date_of_birth=date(1971, 3, 9),
    street_number="4417",
    street_name=f"{STREET} Way",
    city=CITY,
    state="TX",
    zip=ZIP4,
    tax_periods=(2023,),
    ground="criminal-investigation",
    statute="8 U.S.C. 1326",
    case_id=CASE,
    officer_id="OFF-007",
    reason=f"{REASON} was seen at the old depot on the morning of the hearing, so the address is needed.",
    intended_use="criminal-investigation",
)
ASKS = {
    "confirm": LAWFUL,
    "deny": replace(LAWFUL, reference=f"{REFERENCE}-2", street_number="4418"),
    "refused": replace(LAWFUL, reference=f"{REFERENCE}-3", statute="8 U.S.C. 1229a"),
    # A Cyrillic letter: the name has no normal form; only the verifier checks that.
    "refused ": replace(LAWFUL, reference=f"{REFERENCE}-4", first_name=f"{NAME}\u0430"),
}


class Run(msgspec.Struct, frozen=True):
    """What remains after all requests, with the system stopped."""

    root: Path
    outputs: dict[str, bytes]
    """The output of commands and HTTP API, by name."""
    outcomes: list[str]
    malformed: list[str]
    """The refusals' messages in the verdicts on malformed requests."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("privacy")
    register = write_csv(
        folder / "register.csv", [*people(200, 1), REGISTER_ROW, {**REGISTER_ROW, "zip": CASE}]
    )
    roll = folder / "roll.csv"
    roll.write_text(f"case_id,officer_id,opened_on\n{CASE},{LAWFUL.officer_id},2025-01-02\n")
    files = ("--register", str(register), "--roll", str(roll))
    with glomar_up(folder / "data", *files) as system, Bus(system_of(system)) as bus:
        outputs = dict(commands(system, folder, register)) | dict(http_answers(system))
        results = ask_all(profile(system.layout, system.layout.requests_store), list(ASKS.values()))
        malformed = list(send_malformed(bus))
        await_ledger(bus)
        traces = system.layout.traces
    outputs["glomar up"] = (folder / "data.log").read_bytes()
    assert traces.stat().st_size
    return Run(folder / "data", outputs, [result.outcome for result in results], malformed)


def commands(system: RunningSystem, folder: Path, register: Path) -> Iterator[tuple[str, bytes]]:
    """Wrong uses of the commands, with canaries in wrong places -> their output."""
    config = str(system.layout.settings("requester"))
    good = {
        name: ";".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in msgspec.to_builtins(LAWFUL).items()
        if value is not None and not isinstance(value, bool)
    }
    bad = [
        {**good, "date_of_birth": NAME, "reference": f"{REFERENCE}-10"},
        {**good, "tax_periods": SURNAME, "reference": f"{REFERENCE}-11"},
        {**good, "relief_pending": STREET, "reference": f"{REFERENCE}-12"},
        {**good, "first_name": f"{NAME}\x07", "reference": f"{REFERENCE}-13"},
        {**good, "reason": REASON * 300, "reference": f"{REFERENCE}-14"},
        {**good, "expires_at": CASE, "reference": f"{REFERENCE}-15"},
    ]
    population.write_requests([{**good, "reference": f"{REFERENCE}-9"}, *bad], folder / "requests.csv")
    (folder / "header.csv").write_text(f"reference,{NAME}\n1,{SURNAME}\n", encoding="utf-8")
    (folder / "rows.ndjson").write_text(
        f'{{"{NAME}": 1}}\n{{"first_name": ["{SURNAME}"]}}\n{{"zip": "{ZIP4}"\n', encoding="utf-8"
    )
    (folder / "other.csv").write_text(f"person_id,{NAME}\n1,{SURNAME}\n", encoding="utf-8")
    submit = ["glomar-requester", "submit", "--wait", "--config", config]
    ask = ["glomar-requester", "ask", "--config", config, "--first-name", NAME]
    build = ["glomar-verifier", "register", "build"]
    yield "submit", output(*submit, "--json", "--out", str(folder / "out.csv"), str(folder / "requests.csv"))
    yield "submit header", output(*submit, str(folder / "header.csv"))
    yield (
        "submit ndjson",
        output(*submit, "--json", "--out", str(folder / "o.csv"), str(folder / "rows.ndjson")),
    )
    yield "ask date", output(*ask, "--date-of-birth", SURNAME)
    yield "ask too long", output(*ask, "--reason", REASON * 300)
    yield "ask refused", output(*ask, "--last-name", SURNAME, "--json")
    yield "build", output(*build, str(register), "--db", str(folder / "built.db"))
    yield "build header", output(*build, str(folder / "other.csv"), "--db", str(folder / "built.db"))


def output(name: str, *arguments: str) -> bytes:
    ended = subprocess.run([program(name), *arguments], capture_output=True, timeout=300, check=False)
    return ended.stdout + ended.stderr


def http_answers(system: RunningSystem) -> Iterator[tuple[str, bytes]]:
    """Bodies that the HTTP API refuses, and one that it accepts -> its answers."""
    bodies = {
        "accepted": msgspec.json.encode(replace(LAWFUL, reference="")),
        "unknown field": json.dumps({NAME: SURNAME}).encode(),
        "wrong type": json.dumps({"first_name": [NAME], "last_name": SURNAME}).encode(),
        "wrong date": json.dumps({"date_of_birth": STREET}).encode(),
        "wrong year": json.dumps({"tax_periods": [REASON]}).encode(),
        "control character": json.dumps({"first_name": f"{NAME}\u0000"}).encode(),
        "too long": json.dumps({"reason": REASON * 300}).encode(),
        "no JSON": f'{{"first_name": "{NAME}'.encode(),
        "not UTF-8": NAME.encode() + b"\xff",
    }
    for name, body in bodies.items():
        answer = http_api.post(
            system, "/v1/requests", body, {"Idempotency-Key": f"key-{name.replace(' ', '-')}"}
        )
        assert answer.status == (202 if name == "accepted" else 400), (name, answer)
        yield f"POST {name}", json.dumps(answer.headers).encode() + answer.body
    refused = http_api.get(system, f"/v1/requests/{NAME}")
    assert refused.status == 404
    yield "GET", refused.body


def send_malformed(bus: Bus) -> Iterator[str]:
    """Signed requests with a wrong sealed part, and a body in the clear -> the messages of their refusals."""
    system, agency = bus.system, bus.system.agency
    wrong = [
        json.dumps({"type": "subject", "first_name": NAME, SURNAME: 1}).encode(),
        json.dumps({"type": "subject", "first_name": [NAME]}).encode(),
        json.dumps({"type": NAME}).encode(),
        f'{{"type": "subject", "zip": "{ZIP4}", "zip": "{ZIP4}"}}'.encode(),
        f'{{"type": "subject", "reason": "{REASON}'.encode(),
    ]
    bodies = {request_id(n): signed(system, request_id(n), plain) for n, plain in enumerate(wrong)}
    bodies[request_id(len(wrong))] = json.dumps({"payload": CLEAR, CLEAR: CLEAR}).encode()

    async def send() -> None:
        async with connected(system, agency) as client:
            for number, body in bodies.items():
                await store(client, Outgoing(system.subjects.request(agency, number), body, {}))

    asyncio.run(send())
    for stored in await_verdicts(bus, agency, bodies).values():
        _, answer = open_verdict(system, stored, agency)
        assert [refusal.condition for refusal in answer.refusals] == ["malformed"]
        yield answer.refusals[0].message


def request_id(number: int) -> str:
    return new_request_id(1_750_000_000_000 + number, bytes(10))


def signed(system: System, number: str, particulars: bytes) -> bytes:
    """A request signed by the agency, with these bytes sealed in it."""
    identity, now = answers.identity_of(system), datetime.now(UTC)
    key = system.signed.ring.sealing_key(system.agreement.holder, now)
    request = Request(
        id=number,
        subject=system.subjects.request(system.agency, number),
        agreement=system.agreement.id,
        agreement_digest=system.signed.digest,
        agency=system.agency,
        officer=Officer(id="OFF-007"),
        authorised_by="",
        jurisdiction="",
        ground="",
        statute="",
        tax_periods=(),
        intended_use="",
        automated_analysis=False,
        issued_at=now,
        expires_at=now,
        particulars=Sealer(key, identity.to_holder).seal(
            "particulars", number, particulars, PARTICULARS_SIZES
        ),
    )
    return seal_envelope(request, [identity.signer])


def test_each_request_has_its_expected_outcome(run: Run) -> None:
    assert run.outcomes == [name.strip() for name in ASKS]


def test_a_canary_is_only_in_allowed_files(run: Run) -> None:
    leaked = {
        path: canaries - {each for place, few in ALLOWED.items() if path.startswith(place) for each in few}
        for path, canaries in canary_search.in_tree(run.root, EVERY_CANARY).items()
    }

    assert {path: canaries for path, canaries in leaked.items() if canaries} == {}


def test_the_search_finds_canaries_that_are_there(run: Run) -> None:
    """Without this the test above would prove nothing."""
    found = canary_search.in_tree(run.root, EVERY_CANARY)

    assert found["verifier/register.db"] >= {NAME, SURNAME}
    assert CLEAR in set().union(*(few for path, few in found.items() if path.startswith("nats/store")))
    assert REFERENCE in set().union(*(few for path, few in found.items() if path.startswith("requester/")))


@pytest.mark.parametrize("depth", range(1, canary_search.DEEPEST + 1))
@pytest.mark.parametrize("pad", ["", "x", "xx"])
def test_the_search_finds_canaries_in_base64(depth: int, pad: str) -> None:
    coded = f"{pad} the subject is {NAME} {SURNAME}".encode()
    for _ in range(depth):
        coded = base64.b64encode(coded)

    assert canary_search.found(b'{"payload":"' + coded + b'"}', PERSON) == {NAME, SURNAME}


@pytest.mark.parametrize(
    "coded",
    [
        NAME.encode("utf-16"),
        NAME.upper().encode(),
        NAME.encode().hex().encode(),
        NAME.encode().hex().upper().encode(),
        gzip.compress(NAME.encode()),
        base64.b64encode(gzip.compress(NAME.encode())),
        base64.urlsafe_b64encode(f"??>>{NAME}??>>".encode()),
    ],
)
def test_the_search_finds_canaries_in_other_encodings(coded: bytes) -> None:
    assert canary_search.found(b"before " + coded + b" after", PERSON) == {NAME}


def test_no_command_and_no_http_answer_repeats_a_canary(run: Run) -> None:
    # The results of `submit` and `ask` have the agency's own reference.
    leaked = {
        name: canary_search.found(text, EVERY_CANARY) - {REFERENCE} for name, text in run.outputs.items()
    }

    assert {name: canaries for name, canaries in leaked.items() if canaries} == {}
    assert all(run.outputs[name] for name in run.outputs if name != "glomar up")


def test_no_verdict_repeats_the_content_of_a_malformed_request(run: Run) -> None:
    assert len(run.malformed) == 6
    assert not canary_search.found("\n".join(run.malformed).encode(), EVERY_CANARY)
