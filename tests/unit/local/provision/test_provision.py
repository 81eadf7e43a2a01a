"""A data directory: what is written, who may read it, and that nothing in it is trusted unread."""

import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_auditor.settings import AuditorSettings
from glomar_local.layout import Layout
from glomar_local.ports import FIRST_PORT, consecutive
from glomar_local.provision.provision import System, provision
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.versions import bundled_agreements
from glomar_schemas.errors import Misconfigured, Untrusted
from glomar_schemas.keys import public_text
from glomar_verifier.epochs.files import EpochFiles
from glomar_verifier.settings import VerifierSettings

PORTS = consecutive(FIRST_PORT)


@pytest.fixture
def system(tmp_path: Path) -> System:
    return provision(Layout(tmp_path / "data"), PORTS)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in files(directory)}


def files(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.rglob("*")) if path.is_file())


def test_every_secret_is_readable_by_its_owner_alone(system: System) -> None:
    secrets = list(files(system.layout.keys))

    assert {path.name for path in secrets} == {
        *("bus.nk", "irs.nk", "ice.nk", "tigta.nk"),
        *("irs.sign.pem", "irs.official.pem", "irs.tag"),
        *("ice.sign.pem", "ice.seal.pem", "ice.official.pem", "api.token"),
        *("tigta.seal.pem", "tigta.ledger.pem", "tigta.official.pem"),
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE(system.layout.keys.stat().st_mode) == 0o700
    assert stat.S_IMODE(system.layout.root.stat().st_mode) == 0o700


def test_the_secrets_appear_nowhere_else(system: System) -> None:
    outside = b"".join(
        path.read_bytes() for path in files(system.layout.root) if path.parent != system.layout.keys
    )

    for secret in files(system.layout.keys):
        assert secret.read_bytes() not in outside


def test_a_second_start_changes_nothing(system: System) -> None:
    before = contents(system.layout.root)

    again = provision(system.layout, PORTS)

    assert contents(system.layout.root) == before
    assert again.signed.digest == system.signed.digest


def test_other_ports_change_only_what_names_ports(system: System) -> None:
    before = contents(system.layout.root)

    provision(system.layout, consecutive(30_000))

    after = contents(system.layout.root)
    assert {name for name in before if before[name] != after[name]} == {
        *("auditor.toml", "nats/nats-server.conf", "requester.toml", "verifier.toml"),
    }


def test_a_first_start_that_was_cut_short_is_carried_on(tmp_path: Path) -> None:
    first = provision(Layout(tmp_path), PORTS)
    key = first.layout.private_key("irs", "sign").read_bytes()
    first.layout.signatures.unlink()
    first.layout.private_key("ice", "seal").unlink()

    second = provision(first.layout, PORTS)

    assert second.layout.private_key("irs", "sign").read_bytes() == key
    assert second.signed.digest != first.signed.digest


def test_the_agreement_is_the_shipped_one_with_the_keys_of_all_parties(system: System) -> None:
    agreement = system.agreement

    assert (agreement.id, agreement.holder, agreement.requesters) == ("irs-ice-2025", "irs", ("ice",))
    assert {(key.party, key.use) for key in agreement.keys} == {
        *(("irs", "sign"), ("irs", "seal"), ("irs", "official")),
        *(("ice", "sign"), ("ice", "seal"), ("ice", "official")),
        *(("tigta", "seal"), ("tigta", "ledger"), ("tigta", "official")),
    }


def test_an_agreement_altered_after_signing_is_refused(system: System) -> None:
    path = system.layout.agreement
    text = path.read_text()
    path.write_text(text.replace("days_after_order = 90", "days_after_order = 30"))
    assert path.read_text() != text

    with pytest.raises(Untrusted, match="altered after signing"):
        provision(system.layout, PORTS)


def test_an_agreement_signed_by_strangers_is_refused(system: System, tmp_path: Path) -> None:
    other = provision(Layout(tmp_path / "other"), PORTS).layout
    system.layout.agreement.write_bytes(other.agreement.read_bytes())
    system.layout.signatures.write_bytes(other.signatures.read_bytes())

    with pytest.raises(Untrusted, match="not signed by the official"):
        provision(system.layout, PORTS)


def test_a_lost_key_is_named_and_not_created_again(system: System) -> None:
    lost = system.layout.private_key("ice", "seal")
    lost.unlink()

    with pytest.raises(Misconfigured, match=r"ice\.seal\.pem: key file is missing"):
        provision(system.layout, PORTS)
    assert not lost.exists()


def test_a_key_that_others_may_read_is_refused(system: System) -> None:
    system.layout.nkey("ice").chmod(0o640)

    with pytest.raises(Misconfigured, match="open to others"):
        provision(system.layout, PORTS)


def test_the_services_read_their_settings(system: System) -> None:
    verifier = load_settings(VerifierSettings, system.layout.settings("verifier"))
    auditor = load_settings(AuditorSettings, system.layout.settings("auditor"))

    assert verifier.url == auditor.url == f"nats://127.0.0.1:{PORTS.bus}"
    assert (verifier.http_port, auditor.http_port) == (PORTS.verifier, PORTS.auditor)
    assert verifier.signing_key.samefile(system.layout.private_key("irs", "sign"))
    assert auditor.ledger.samefile(system.layout.ledger)


def test_a_data_directory_can_be_moved(system: System, tmp_path: Path) -> None:
    moved = system.layout.root.rename(tmp_path / "elsewhere")

    settings = load_settings(VerifierSettings, moved / "verifier.toml")

    assert settings.signing_key.is_file()
    assert tomllib.loads((moved / "verifier.toml").read_text())["signing_key"] == "keys/irs.sign.pem"


def test_what_opens_particulars_is_split_between_the_verifier_and_two_custodians(system: System) -> None:
    layout = system.layout
    [record] = [key for key in system.agreement.keys if (key.party, key.use) == ("irs", "seal")]
    custodians = (layout.custodian("a"), layout.custodian("b"))
    found = [*files(layout.epochs), *files(custodians[0]), *files(custodians[1])]

    assert [path.stem for path in found] == [record.key_id] * 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    private = EpochFiles(layout.epochs, custodians).load(record.key_id)
    assert public_text(private.public_key()) == record.public


def test_a_first_start_that_was_cut_short_keeps_its_epoch(system: System) -> None:
    system.layout.signatures.unlink()

    again = provision(system.layout, PORTS)

    assert len(list(files(again.layout.epochs))) == 1
    assert [key for key in again.agreement.keys if (key.party, key.use) == ("irs", "seal")] == [
        key for key in system.agreement.keys if (key.party, key.use) == ("irs", "seal")
    ]


def test_a_further_agreement_has_its_own_directory_keys_and_ports(tmp_path: Path) -> None:
    first, second = bundled_agreements()

    system = provision(Layout(tmp_path / "data"), PORTS, agreements=[first, second])

    (other,) = system.others
    assert (system.agreement.id, other.agreement.id) == (first, second)
    assert other.layout.root == system.layout.root / "agreements" / second
    assert (other.ports.bus, other.ports.traces) == (PORTS.bus, PORTS.traces)
    own = {other.ports.requester, other.ports.verifier, other.ports.auditor}
    assert own.isdisjoint(PORTS.named().values()) and len(own) == 3
    mine, theirs = (
        {path.read_bytes() for path in files(layout.keys)} for layout in (system.layout, other.layout)
    )
    assert mine.isdisjoint(theirs)


def test_a_further_agreement_stays_and_changes_nothing_of_the_first(system: System) -> None:
    first, second = bundled_agreements()
    before = contents(system.layout.root)

    with_other = provision(system.layout, PORTS, agreements=[second])
    again = provision(system.layout, PORTS)

    after = contents(system.layout.root)
    assert [each.agreement.id for each in again.all] == [first, second]
    assert again.signed.digest == with_other.signed.digest == system.signed.digest
    assert {name for name in before if before[name] != after[name]} == {"nats/nats-server.conf"}


def test_an_agreement_that_is_not_bundled_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no bundled agreement has this name"):
        provision(Layout(tmp_path / "data"), PORTS, agreements=["nobody-knows"])
