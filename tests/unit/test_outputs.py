"""No command writes its output over one of its inputs, or over the agency's store."""

from pathlib import Path

import pytest
from glomar_auditor.controls.cli import DraftOptions
from glomar_evaluation.cli import synth
from glomar_requester.cli import submit
from glomar_requester.settings import RequesterSettings
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.versions import bundled_agreement
from glomar_schemas.errors import Misconfigured
from glomar_verifier.agreement.cli import publish
from glomar_verifier.offline.cli import match

OVERWRITE = "the output would overwrite it"
SETTINGS = """
agency = "ice"
http_port = 8080
""" + "".join(
    f'{name} = "{name}.file"\n'
    for name in ("nkey", "agreement", "trust", "signing_key", "sealing_key", "store", "token")
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "requester.toml"
    path.write_text(SETTINGS)
    return path


@pytest.mark.parametrize("name", ["requests.csv", "store.file", "requester.toml"])
def test_results_go_neither_over_the_requests_nor_the_store_nor_the_settings(
    tmp_path: Path, config: Path, name: str
) -> None:
    with pytest.raises(Misconfigured, match=f"{name}: {OVERWRITE}"):
        submit(tmp_path / "requests.csv", out=tmp_path / name, config=config)


@pytest.mark.parametrize("name", ["requests.csv", "register.db"])
def test_decisions_go_neither_over_the_requests_nor_the_register(tmp_path: Path, name: str) -> None:
    register, requests = tmp_path / "register.db", tmp_path / "requests.csv"
    with pytest.raises(Misconfigured, match=f"{name}: {OVERWRITE}"):
        match(db=str(register), requests=requests, out=tmp_path / name)


def test_the_public_version_does_not_go_over_the_agreement(tmp_path: Path) -> None:
    file = tmp_path / "agreement.toml"
    file.write_bytes(text := bundled_agreement().read_bytes())
    with pytest.raises(Misconfigured, match=OVERWRITE):
        publish(file, out=file)
    assert file.read_bytes() == text


def test_synthetic_files_do_not_go_over_each_other(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    with pytest.raises(Misconfigured, match=OVERWRITE):
        synth(people=1, requests=1, requests_out=path, truth=path)
    assert not path.exists()


def test_a_control_names_its_authority(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="--authority: is empty"):
        DraftOptions(authority=" ", config=tmp_path / "absent.toml").context()


@pytest.mark.parametrize("name", ["validity_hours", "cosigned_within_hours"])
def test_hours_are_above_zero(config: Path, name: str) -> None:
    config.write_text(f"{SETTINGS}{name} = 0\n")
    with pytest.raises(Misconfigured, match=name):
        load_settings(RequesterSettings, config)
