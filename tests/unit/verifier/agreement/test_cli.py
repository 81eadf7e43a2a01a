"""`glomar-verifier agreement`: what a lawyer reads, what a program reads, and what the public reads."""

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from glomar_schemas.agreement.model import parse_agreement, sign_agreement
from glomar_schemas.errors import Malformed, Misconfigured, Refused
from glomar_schemas.keys import public_text
from glomar_verifier.agreement.cli import check, publish
from glomar_verifier.agreement.describe import WIDTH
from glomar_verifier.agreement.redact import public_text as public_version

from tests.support.model_request import AGREEMENT_FILE, model_agreement
from tests.support.samples import HOLDER, REQUESTER, signer, signing_key

RAW = AGREEMENT_FILE.read_bytes()
BOTH = [signer(HOLDER, "official"), signer(REQUESTER, "official")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agreement.toml"
    path.write_bytes(RAW)
    return path


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    keys = {party: public_text(signing_key(party, "official").public_key()) for party in (HOLDER, REQUESTER)}
    path = tmp_path / "trust.toml"
    path.write_text("".join(f'{party} = "{key}"\n' for party, key in keys.items()))
    return path


def sign(file: Path, raw: bytes, count: int = 2) -> None:
    file.with_name(file.name + ".sig").write_bytes(sign_agreement(raw, BOTH[:count]))


def test_every_condition_is_explained_with_its_examples(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(file)
    output = " ".join(capsys.readouterr().out.split())
    for condition in model_agreement().conditions:
        assert f"{condition.id} {condition.name} [{condition.citation}]" in output
        assert " ".join(condition.holds.split()) in output
        assert f"else it says {condition.refusal}" in output
        assert f": refused by {condition.id}" in output
    assert "final order date 2025-03-05 instead of 2025-02-10: refused by L7" in output
    assert "final order date 2025-03-04 instead of 2025-02-10: accepted" in output
    for rule in model_agreement().handling:
        assert rule in output
    assert "No mistake: 30 examples have the expected result." in output


def test_a_missing_limit_on_addresses_of_a_person_is_reported(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(file)
    assert "NO LIMIT" not in capsys.readouterr().out
    file.write_text(
        re.sub("^addresses_per_person.*$", "", RAW.decode(), flags=re.MULTILINE), encoding="utf-8"
    )
    check(file)
    assert "addresses per person NO LIMIT" in " ".join(capsys.readouterr().out.split())


def test_it_fits_the_width_of_a_page(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(file, against=file)
    assert max(map(len, capsys.readouterr().out.replace(str(file), "").splitlines())) <= WIDTH + 10


def test_signers_are_reported_with_the_validity_of_their_signatures(
    file: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(file, RAW)
    check(file, trust=trust)
    output = capsys.readouterr().out
    assert output.count("holds (key ") == 2
    assert "irs, Secretary of the Treasury" in output


@pytest.mark.parametrize(
    ("signed", "count", "fault"),
    [
        (RAW, 1, "ice: has not signed"),
        (RAW + b"\n", 2, "irs: does not match the file: it was altered after signing"),
    ],
)
def test_a_signature_that_does_not_hold_is_refused_where_a_trust_file_asks(
    file: Path, trust: Path, signed: bytes, count: int, fault: str
) -> None:
    sign(file, signed, count)
    check(file)
    with pytest.raises(Refused, match=fault):
        check(file, trust=trust)


def test_an_unsigned_file_is_explained_but_not_trusted(
    file: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(file)
    assert "WHO SIGNED\n  nobody" in capsys.readouterr().out
    with pytest.raises(Refused, match="has not signed"):
        check(file, trust=trust)


def test_a_signature_by_a_key_that_nobody_pinned_is_not_counted(
    file: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = signer("tigta")
    file.with_name(file.name + ".sig").write_bytes(sign_agreement(RAW, [*BOTH, unknown]))
    with pytest.raises(Refused, match="its key is in no trust file"):
        check(file, trust=trust)


def test_changes_since_another_version_are_reported_condition_by_condition(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = file.with_name("newer.toml")
    text = RAW.decode().replace("version = 1", "version = 2", 1)
    text = text.replace("particulars_days = 180", "particulars_days = 120")
    text = text.replace('  "8 U.S.C. 1327",', '  "8 U.S.C. 1330",')
    text = text.replace('{ id = "OFF-040"', '{ id = "OFF-041"').replace(
        '"OFF-040", "facts', '"OFF-041", "facts'
    )
    text = text.replace("facts.delegation_valid", "facts.delegation_valid && true")
    text = text.replace("request.tax_periods != [] &&\n", "")
    newer.write_text(text)
    check(newer, against=file)
    changed = capsys.readouterr().out.partition("WHAT CHANGED SINCE")[2]
    for line in (
        "now   version: 2 (was 1)",
        "now   retention: particulars_days: 120 (was 180)",
        "new   allowed: statutes: criminal-investigation: 8 U.S.C. 1330",
        "gone  allowed: statutes: criminal-investigation: 8 U.S.C. 1327",
        "new   officer OFF-041: unit: Homeland Security Investigations",
        "gone  officer OFF-040: unit: Homeland Security Investigations",
        "now   condition L1, holds: facts.delegation_valid && true (was facts.delegation_valid)",
        "- request.tax_periods != [] &&",
    ):
        assert line in changed, line
    assert "condition L2" not in changed


def test_nothing_changed_since_itself(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(file, against=file)
    assert "\n  nothing\n" in capsys.readouterr().out.partition("WHAT CHANGED SINCE")[2]


def test_json_has_the_same_as_values(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(file, against=file, as_json=True)
    output = json.loads(capsys.readouterr().out)
    assert output["version"] == 1
    assert output["sha256"] == hashlib.sha256(RAW).hexdigest()
    assert (output["mistakes"], output["changes"], len(output["examples"])) == ([], [], 30)
    assert output["agreement"]["conditions"][6]["citation"] == "8 U.S.C. 1253(a)"


def test_mistakes_end_with_3_and_name_the_lines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(RAW.decode().replace('citation = "8 U.S.C. 1253(a)"\n', "", 1))
    with pytest.raises(Refused, match="1 to correct, in line") as raised:
        check(file)
    assert raised.value.exit_code == 3
    assert "citation is missing" in capsys.readouterr().out


def test_a_file_that_can_not_be_read_ends_with_2(tmp_path: Path, file: Path) -> None:
    for arguments in ({"file": tmp_path / "none.toml"}, {"file": file, "against": tmp_path / "none.toml"}):
        with pytest.raises(Misconfigured, match="can't be read") as raised:
            check(**arguments)  # type: ignore[arg-type]
        assert raised.value.exit_code == 2


def test_the_public_version_marks_what_is_left_out_and_has_the_hash_of_all(
    file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "public.toml"
    publish(file, out=out)
    text = out.read_text()
    tree = tomllib.loads(text)
    assert hashlib.sha256(RAW).hexdigest() in text
    assert tree["officers"] == tree["parties"]["irs"]["contact"] == tree["handling"][4] == "[redacted]"
    assert tree["handling"][3] == model_agreement().handling[3]
    assert (
        "incidents@" not in text and "Enforcement and Removal Operations" not in text.partition("[example")[0]
    )
    assert model_agreement().handling[4] not in text
    for condition in model_agreement().conditions:
        assert condition.refusal in text


@pytest.mark.parametrize(
    ("redaction", "fault"),
    [("parties.fbi.contact", "no such value"), ("requesters[0]", "shares its line")],
)
def test_a_part_that_can_not_be_redacted_is_reported(redaction: str, fault: str) -> None:
    raw = RAW.replace(b'  "officers",', f'  "{redaction}",'.encode(), 1)
    assert raw != RAW
    with pytest.raises(Malformed, match=fault):
        public_version(raw, parse_agreement(raw, where=""))


def test_a_value_over_many_lines_goes_with_its_comments() -> None:
    raw = RAW.replace(b'"officers",', b'"allowed.statutes.criminal-investigation",', 1)
    text = public_version(raw, parse_agreement(raw, where=""))
    assert 'criminal-investigation = "[redacted]"' in text
    assert "8 U.S.C. 1326" not in text and "re-entry after removal" not in text
    assert "aggravated identity theft" not in text
