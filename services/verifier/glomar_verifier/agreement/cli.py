"""`glomar-verifier agreement`: explain an agreement's file, find its mistakes, make its public version."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from glomar_schemas.agreement.model import Agreement, Trust, load_trust, parse_agreement
from glomar_schemas.crypto.dsse import Signature
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Misconfigured, Refused

from glomar_verifier.agreement import lint as agreement_mistakes
from glomar_verifier.agreement.describe import Tried, describe, describe_changes, differences
from glomar_verifier.agreement.diff import Change, changes
from glomar_verifier.agreement.examples import outcome
from glomar_verifier.agreement.lint import Mistake
from glomar_verifier.agreement.redact import public_text
from glomar_verifier.agreement.signers import Signer, signers
from glomar_verifier.matching.rules import Rules, load_rules
from glomar_verifier.policy.gate import Gate

app = App("agreement", help="Explain and check an agreement's file.")

AgreementFile = Annotated[Path, Parameter(help="an agreement.toml")]


@app.command
def check(
    file: AgreementFile,
    *,
    against: Annotated[Path | None, Parameter(help="another version, to say what changed")] = None,
    trust: Annotated[Path | None, Parameter(help="your trust file: whose signatures count")] = None,
    as_json: Annotated[bool, Parameter("--json", help="print JSON")] = False,
) -> None:
    """Explain the file in words, run the examples of each condition, and name every mistake with its line.

    Exit code 3 if there is a mistake, or with --trust a signature that does not hold.
    """
    rules = load_rules()
    raw = _read(file)
    found, mistakes = agreement_mistakes.read(raw, rules)
    digest = hashlib.sha256(raw).hexdigest()
    signed = _signers(file, raw, found, load_trust(trust) if trust else None)
    tried = _try(found, rules) if found and not mistakes else []
    changed = changes(_other(against, rules), found) if found and against else []
    if as_json:
        print(_as_json(file, digest, found, signed, tried, changed, mistakes))
    else:
        if found:
            print(describe(found, digest, signed, tried))
        if found and against:
            print(describe_changes(changed, str(against)))
        for mistake in mistakes:
            print(f"{file}:{mistake.line}: {f'{mistake.where}: ' if mistake.where else ''}{mistake.what}")
        if not mistakes:
            print(f"No mistake: {len(tried)} examples come out as they say.")
    _require_well(file, mistakes, signed if trust else [])


@app.command
def publish(
    file: AgreementFile, *, out: Annotated[Path, Parameter(help="the public version; replaced if there")]
) -> None:
    """Write the version for the public: marked redactions, and the SHA-256 of the full text."""
    raw = _read(file)
    found = parse_agreement(raw, where=str(file))
    try:
        out.write_text(public_text(raw, found), encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"can't be written ({error.strerror})", where=str(out)) from None
    print(f"{out}: {len(found.redactions)} values left out of {file}")


def _require_well(file: Path, mistakes: list[Mistake], signed: list[Signer]) -> None:
    """Raises Refused."""
    if mistakes:
        lines = ", ".join(str(line) for line in sorted({mistake.line for mistake in mistakes}))
        raise Refused(f"{len(mistakes)} to mend, in line {lines}", where=str(file))
    if unsound := [f"{signer.party or signer.key}: {signer.state}" for signer in signed if signer.is_unsound]:
        raise Refused("; ".join(unsound), where=f"{file}.sig", fix="Nothing is answered under it")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(file)) from None


def _other(file: Path | None, rules: Rules) -> Agreement:
    """The version that is compared with. Raises Misconfigured, Malformed."""
    assert file is not None
    found, mistakes = agreement_mistakes.read(_read(file), rules)
    if found is None:
        raise Malformed(mistakes[0].what, where=f"{file}:{mistakes[0].line}")
    return found


def _signers(file: Path, raw: bytes, found: Agreement | None, trust: Trust | None) -> list[Signer]:
    beside = file.with_name(file.name + ".sig")
    if found is None:
        return []
    signatures: tuple[Signature, ...] = ()
    if beside.exists():
        signatures = decode(_read(beside), tuple[Signature, ...], what=str(beside))
    return signers(raw, found, signatures, trust)


def _try(agreement: Agreement, rules: Rules) -> list[Tried]:
    gate = Gate(agreement, rules)
    return [
        Tried(
            condition=condition.id,
            kind=kind,
            differs=differences(agreement, example),
            failed=tuple(outcome(agreement, example, gate)),
        )
        for condition in agreement.conditions
        for kind, example in (("accepted", condition.accepted), ("refused", condition.refused))
    ]


def _as_json(
    file: Path,
    digest: str,
    found: Agreement | None,
    signed: list[Signer],
    tried: list[Tried],
    changed: list[Change],
    mistakes: list[Mistake],
) -> str:
    return json.dumps(
        {
            "version": 1,
            "file": str(file),
            "sha256": digest,
            "agreement": msgspec.to_builtins(found),
            "signers": msgspec.to_builtins(signed),
            "examples": msgspec.to_builtins(tried),
            "changes": msgspec.to_builtins(changed),
            "mistakes": msgspec.to_builtins(mistakes),
        }
    )
