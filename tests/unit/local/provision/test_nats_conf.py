"""The bus configuration, word for word: it is the whole of the bus's authorisation, so a change is seen."""

import hashlib
import re
import subprocess
from pathlib import Path

import nkeys
from glomar_local.provision.nats_conf import Tenant, render
from glomar_local.system.process import program
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.agreement.versions import bundled_agreement, bundled_agreements
from glomar_schemas.subjects import Subjects

GOLDEN = Path(__file__).with_name("nats-server.golden.conf")


def public_nkey(party: str) -> str:
    seed = nkeys.encode_seed(hashlib.sha256(party.encode()).digest(), nkeys.PREFIX_BYTE_USER)
    return str(nkeys.from_seed(seed).public_key.decode())


USERS = {party: public_nkey(party) for party in ("bus", "irs", "ice", "tigta")}


def rendered(store: Path) -> str:
    source = bundled_agreement()
    agreement = parse_agreement(source.read_bytes(), where=str(source))
    return render([Tenant(agreement, Subjects(agreement.id), USERS)], port=26103, store=store)


def test_the_configuration_is_the_reviewed_one() -> None:
    assert rendered(Path("/data/nats/store")) == GOLDEN.read_text()


def test_no_wildcard_reaches_past_its_depth() -> None:
    text = rendered(Path("/data"))

    assert "glomar.irs-ice-2025.>" not in text
    assert [line for line in text.splitlines() if ".>" in line and "$JS.ACK" not in line] == []


def test_nats_server_accepts_it(tmp_path: Path) -> None:
    path = tmp_path / "nats-server.conf"
    path.write_text(rendered(tmp_path / "store"))

    checked = subprocess.run(
        [program("nats-server"), "-t", "-c", path], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stderr


def two_agreements(store: Path) -> str:
    tenants = []
    for name, source in bundled_agreements().items():
        agreement = parse_agreement(source.read_bytes(), where=str(source))
        parties = ("bus", agreement.holder, agreement.oversight, *agreement.requesters)
        users = {party: public_nkey(f"{name} {party}") for party in parties}
        tenants.append(Tenant(agreement, Subjects(name), users))
    return render(tenants, port=26103, store=store)


def test_a_party_to_two_agreements_has_one_account_with_a_user_for_each(tmp_path: Path) -> None:
    text = two_agreements(tmp_path / "store")

    users = dict(re.findall(r"^  (\w+): \{\n    users: \[(.*)\]$", text, re.MULTILINE))
    assert {name: found.count("nkey:") for name, found in users.items()} == {
        "BUS": 2, "IRS": 2, "TIGTA": 2, "ICE": 1, "CDHS": 1,
    }  # fmt: skip
    path = tmp_path / "nats-server.conf"
    path.write_text(text)
    checked = subprocess.run([program("nats-server"), "-t", "-c", path], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_no_agency_imports_anything_of_an_agreement_that_it_is_not_party_to(tmp_path: Path) -> None:
    accounts = re.split(r"^  (\w+): \{$", two_agreements(tmp_path), flags=re.MULTILINE)
    blocks = dict(zip(accounts[1::2], accounts[2::2], strict=True))
    first, second = bundled_agreements()

    assert first in blocks["ICE"] and second not in blocks["ICE"]
    assert second in blocks["CDHS"] and first not in blocks["CDHS"]
