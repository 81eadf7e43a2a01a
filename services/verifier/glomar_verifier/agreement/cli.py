"""`glomar-verifier agreement`: explain and check an agreement's file, write its public version."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from glomar_runtime.cli import AsJson
from glomar_schemas import files
from glomar_schemas.agreement.model import Agreement, Trust, load_trust, parse_agreement
from glomar_schemas.crypto.dsse import Signature
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed, Refused

from glomar_verifier.agreement.describe import ExampleResult, describe, describe_changes, differences
from glomar_verifier.agreement.diff import Change, changes
from glomar_verifier.agreement.examples import outcome
from glomar_verifier.agreement.lint import LintFinding, lint
from glomar_verifier.agreement.redact import public_text
from glomar_verifier.agreement.signers import SignatureStatus, signature_statuses
from glomar_verifier.matching.rules import Rules, load_rules
from glomar_verifier.policy.gate import Gate

app = App("agreement", help="Explain and check an agreement's file.")

AgreementFile = Annotated[Path, Parameter(help="an agreement.toml")]


@app.command
def check(
    file: AgreementFile,
    *,
    against: Annotated[Path | None, Parameter(help="another version, to show what changed")] = None,
    trust: Annotated[Path | None, Parameter(help="your trust file: whose signatures are valid")] = None,
    as_json: AsJson = False,
) -> None:
    """Explain the file in words, run the examples of each condition, and list every mistake with its line.

    Exit code 3 if there is a mistake, or with --trust an invalid signature.
    """
    rules = load_rules()
    raw = files.read(file)
    agreement, findings = lint(raw, rules)
    digest = hashlib.sha256(raw).hexdigest()
    signed = _signers(file, raw, agreement, load_trust(trust) if trust else None)
    results = _try(agreement, rules) if agreement and not findings else []
    changed = changes(_other(against, rules), agreement) if agreement and against else []
    if as_json:
        print(_as_json(file, digest, agreement, signed, results, changed, findings))
    else:
        if agreement:
            print(describe(agreement, digest, signed, results))
        if agreement and against:
            print(describe_changes(changed, str(against)))
        for finding in findings:
            print(f"{file}:{finding.line}: {f'{finding.where}: ' if finding.where else ''}{finding.what}")
        if not findings:
            print(f"No mistake: {len(results)} examples have the expected result.")
    _require_sound(file, findings, signed if trust else [])


@app.command
def publish(
    file: AgreementFile, *, out: Annotated[Path, Parameter(help="the public version; replaced if it exists")]
) -> None:
    """Write the public version: marked redactions, and the SHA-256 of the full text."""
    raw = files.read(file)
    agreement = parse_agreement(raw, where=str(file))
    files.require_distinct(out, file)
    files.replace(out, public_text(raw, agreement).encode(), mode=0o644)
    print(f"{out}: {len(agreement.redactions)} values left out of {file}")


def _require_sound(file: Path, findings: list[LintFinding], signed: list[SignatureStatus]) -> None:
    """Raises Refused."""
    if findings:
        lines = ", ".join(str(line) for line in sorted({finding.line for finding in findings}))
        raise Refused(f"{len(findings)} to correct, in line {lines}", where=str(file))
    if unsound := [f"{signer.party or signer.key}: {signer.state}" for signer in signed if signer.is_unsound]:
        raise Refused("; ".join(unsound), where=f"{file}.sig", fix="Nothing is answered under it")


def _other(file: Path | None, rules: Rules) -> Agreement:
    """The version to compare with. Raises Misconfigured, Malformed."""
    assert file is not None
    agreement, findings = lint(files.read(file), rules)
    if agreement is None:
        raise Malformed(findings[0].what, where=f"{file}:{findings[0].line}")
    return agreement


def _signers(
    file: Path, raw: bytes, agreement: Agreement | None, trust: Trust | None
) -> list[SignatureStatus]:
    beside = file.with_name(file.name + ".sig")
    if agreement is None:
        return []
    signatures: tuple[Signature, ...] = ()
    if beside.exists():
        signatures = decode(files.read(beside), tuple[Signature, ...], what=str(beside))
    return signature_statuses(raw, agreement, signatures, trust)


def _try(agreement: Agreement, rules: Rules) -> list[ExampleResult]:
    gate = Gate(agreement, rules)
    return [
        ExampleResult(
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
    agreement: Agreement | None,
    signed: list[SignatureStatus],
    results: list[ExampleResult],
    changed: list[Change],
    findings: list[LintFinding],
) -> str:
    return json.dumps(
        {
            "version": 1,
            "file": str(file),
            "sha256": digest,
            "agreement": msgspec.to_builtins(agreement),
            "signers": msgspec.to_builtins(signed),
            "examples": msgspec.to_builtins(results),
            "changes": msgspec.to_builtins(changed),
            "mistakes": msgspec.to_builtins(findings),
        }
    )
