"""`glomar-auditor control`: drafts, signs, shows and publishes a control. `agreement sign` signs a version.

For a new action, add one function under `draft`, and its description in `explain`.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from glomar_runtime.cli import AsJson, print_result, utc
from glomar_schemas.agreement.controls import missing_signatures
from glomar_schemas.agreement.model import SignedAgreement, parse_agreement
from glomar_schemas.crypto.dsse import AGREEMENT_TYPE, Signature, Signer
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Misconfigured, Refused
from glomar_schemas.files import read, replace
from glomar_schemas.keys import KeyRecord, KeyUse, read_signing_key
from glomar_schemas.messages import Control

from glomar_auditor.controls import draft as drafting
from glomar_auditor.controls import draft_file, explain
from glomar_auditor.controls import publish as publishing
from glomar_auditor.controls.draft import DraftContext
from glomar_auditor.controls.draft_file import Draft
from glomar_auditor.controls.settings import OfficialContext, load_context, read_public

app = App("control", help="Orders of officials: a file that is drafted, signed, shown and published.")
draft = App("draft", help="Write a control into a file, unsigned.")
app.command(draft)
agreements = App("agreement", help="Signatures of officials under an agreement's file.")

File = Annotated[Path, Parameter(help="the file that travels between officials")]
Config = Annotated[Path, Parameter("--config", help="a service's TOML file: agreement, trust, bus, nkey")]

Signatures = tuple[Signature, ...]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DraftOptions:
    """The options of every `draft` command."""

    authority: Annotated[str, Parameter(help="the court's order or the clause that it rests on")]
    reason: Annotated[str, Parameter(help="in words, for the ledger; never about a person")] = ""
    slot: Annotated[int | None, Parameter(help="draft offline for this slot; otherwise the bus is asked")] = (
        None
    )
    config: Config
    as_json: AsJson = False

    def context(self, official: OfficialContext | None = None) -> DraftContext:
        """For the slot that was given; otherwise for the next slot on the bus."""
        if not self.authority.strip():
            raise Misconfigured("is empty", where="--authority", fix="Name the order or the clause")
        official = official or load_context(self.config)
        if self.slot is not None:
            state, slot = None, self.slot
        else:
            state = asyncio.run(publishing.in_force(official))
            slot = state.slot + 1
        signed = (state.signed if state else None) or official.versions.newest
        return DraftContext(slot, signed, official.subjects, datetime.now(UTC), state)


@draft.command
def hold(
    file: File,
    *,
    scope: Annotated[str, Parameter(help="all, agency:NAME, jurisdiction:NAME or person:TAG")],
    options: DraftOptions,
) -> None:
    """An order that nothing in its scope is answered. One official's signature is enough."""
    context = options.context()
    control = drafting.hold(context, scope, options.authority, options.reason)
    _write(file, control, context.signed, options.as_json)


@draft.command
def lift(
    file: File,
    *,
    lifts: Annotated[int, Parameter(help="the slot of the hold that ends")],
    options: DraftOptions,
) -> None:
    """The end of a hold. It needs officials of two different parties."""
    context = options.context()
    control = drafting.lift(context, lifts, options.authority, options.reason)
    _write(file, control, context.signed, options.as_json)


@draft.command
def key(
    file: File,
    *,
    party: Annotated[str, Parameter(help="whose key it is")],
    use: Annotated[KeyUse, Parameter(help="what for")],
    public: Annotated[str, Parameter(help="the public key: base64 or PEM, or the name of a file with it")],
    from_: Annotated[datetime, Parameter("--from", help="UTC unless it says otherwise")],
    until: Annotated[datetime, Parameter(help="UTC unless it says otherwise")],
    options: DraftOptions,
) -> None:
    """One more key of a party. It needs officials of two parties, one of them its own."""
    context = options.context()
    record = KeyRecord(
        party=party, use=use, public=read_public(public), valid_from=utc(from_), valid_until=utc(until)
    )
    control = drafting.key(context, record, options.authority, options.reason)
    _write(file, control, context.signed, options.as_json)


@draft.command
def shred(
    file: File,
    *,
    key_id: Annotated[str, Parameter(help="the sealing key that is destroyed")],
    options: DraftOptions,
) -> None:
    """The end of a sealing key, and of all that was sealed to it. Officials of two parties, one its own."""
    context = options.context()
    control = drafting.shred(context, key_id, options.authority, options.reason)
    _write(file, control, context.signed, options.as_json)


@draft.command
def agreement(
    file: File,
    *,
    version: Annotated[Path, Parameter(help="the signed agreement file that comes into force")],
    options: DraftOptions,
) -> None:
    """A version of the agreement, installed at all parties. It needs officials of all of them."""
    official = load_context(options.config)
    installed = official.installed(version)
    control = drafting.agreement(options.context(official), installed, options.authority, options.reason)
    _write(file, control, installed, options.as_json)


@app.command
def sign(
    file: File,
    *,
    key: Annotated[Path, Parameter(help="the official's private key, PEM, of mode 0600")],
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Add one official's signature. Look at it first, with `show`. Connects to nothing."""
    _, found, signed = _load(file, config)
    more = draft_file.add_signature(found, Signer(read_signing_key(key)), signed, datetime.now(UTC))
    draft_file.replace(file, more)
    _report(file, more, signed, as_json)


@app.command
def show(file: File, *, config: Config, as_json: AsJson = False) -> None:
    """Say what a control does, who has signed it, and what is missing. Connects to nothing."""
    _, found, signed = _load(file, config)
    if as_json:
        _report(file, found, signed, as_json)
        return
    now = datetime.now(UTC)
    control, _ = draft_file.open_draft(found, signed, now)
    print("\n".join(explain.explain(found, control, signed, now)))


@app.command
def publish(file: File, *, config: Config, as_json: AsJson = False) -> None:
    """Store it in its slot, if it counts. Exit code 3, and nothing is sent, if it does not."""
    official, found, signed = _load(file, config)
    control, _ = draft_file.open_draft(found, signed, datetime.now(UTC))
    sequence = asyncio.run(publishing.publish(official, control, found))
    text = f"{control.subject}: {control.action}, slot {control.slot}, sequence {sequence}"
    print_result({"slot": control.slot, "sequence": sequence}, text, as_json)


def _load(file: Path, config: Path) -> tuple[OfficialContext, Draft, SignedAgreement]:
    """The draft in the file, and the version of the agreement that it names."""
    official, found = load_context(config), draft_file.read(file)
    return official, found, official.version(draft_file.agreement_digest(found))


def _write(file: Path, control: Control, signed: SignedAgreement, as_json: bool) -> None:
    made = draft_file.from_control(control)
    draft_file.create(file, made)
    _report(file, made, signed, as_json)


def _report(file: Path, found: Draft, signed: SignedAgreement, as_json: bool) -> None:
    now = datetime.now(UTC)
    control, parties = draft_file.open_draft(found, signed, now)
    missing = missing_signatures(control.action, parties, signed.agreement)
    shape = {
        "file": str(file),
        "slot": control.slot,
        "action": control.action,
        "scope": control.scope if control.action == "hold" else None,
        "lifts": control.lifts,
        "key": msgspec.to_builtins(control.key),
        "key_id": control.key_id,
        "agreement_digest": control.agreement_digest,
        "authority": control.authority,
        "reason": control.reason,
        "signed_by": [
            {"party": party, "key_id": key} for party, key in explain.signatures(found, signed, now)
        ],
        "missing": missing,
    }
    text = f"{file}: {control.action} for slot {control.slot}; {missing or 'enough have signed'}"
    print_result(shape, text, as_json)


@agreements.command(name="sign")
def sign_agreement(
    file: Annotated[
        Path, Parameter(help="the agreement's version; the signatures are beside it, in FILE.sig")
    ],
    *,
    key: Annotated[Path, Parameter(help="the official's private key, PEM, of mode 0600")],
    as_json: AsJson = False,
) -> None:
    """Add one official's signature. Read it first, with `glomar-verifier agreement check`."""
    key_ids = [each.keyid for each in sign_version(file, Signer(read_signing_key(key)))]
    text = f"{file}.sig: {len(key_ids)} signed, the last with key {key_ids[-1]}"
    print_result({"file": str(file), "signed_by": key_ids}, text, as_json)


def sign_version(file: Path, signer: Signer) -> Signatures:
    """-> all signatures of the agreement. It is decoded first: a file that is no agreement is not signed.

    Raises Misconfigured (unreadable), Malformed, Refused for a key that has signed already.
    """
    raw, signature_file = read(file), file.with_name(f"{file.name}.sig")
    parse_agreement(raw, where=str(file))
    before: Signatures = ()
    if signature_file.exists():
        before = decode(read(signature_file), Signatures, what=str(signature_file))
    if signer.key_id in (each.keyid for each in before):
        raise Refused("this key has signed it already", where=str(signature_file))
    signatures = (*before, signer.sign(AGREEMENT_TYPE, raw))
    replace(signature_file, msgspec.json.encode(signatures), mode=0o644)
    return signatures
