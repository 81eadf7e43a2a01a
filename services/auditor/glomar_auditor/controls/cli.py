"""`glomar-auditor control`: draft, sign, show and publish a control. stdout is data, stderr is people.

A new action is one more function under `draft`, and its words in `explain`.
"""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from glomar_schemas.agreement.controls import missing_signatures
from glomar_schemas.agreement.model import SignedAgreement
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.keys import KeyRecord, KeyUse, read_signing_key
from glomar_schemas.messages import Control

from glomar_auditor.controls import draft as drafting
from glomar_auditor.controls import draft_file, explain
from glomar_auditor.controls import publish as publishing
from glomar_auditor.controls.draft import Occasion
from glomar_auditor.controls.draft_file import Draft
from glomar_auditor.controls.settings import Office, load_office, read_public

app = App("control", help="Orders of officials: a file that is drafted, signed, shown and published.")
draft = App("draft", help="Write a control into a file, unsigned.")
app.command(draft)

File = Annotated[Path, Parameter(help="the file that travels between officials")]
Config = Annotated[Path, Parameter("--config", help="a service's TOML file: agreement, trust, bus, nkey")]
Authority = Annotated[str, Parameter(help="the court's order or the clause that it rests on")]
Reason = Annotated[str, Parameter(help="in words, for the ledger; never about a person")]
Slot = Annotated[int | None, Parameter(help="draft offline for this slot; otherwise the bus is asked")]
AsJson = Annotated[bool, Parameter("--json", help="print JSON")]


@draft.command
def hold(
    file: File,
    *,
    scope: Annotated[str, Parameter(help="all, agency:NAME, jurisdiction:NAME or person:TAG")],
    authority: Authority,
    reason: Reason = "",
    slot: Slot = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """An order that nothing in its scope is answered. One official's signature is enough."""
    occasion = _occasion(load_office(config), slot)
    _write(file, drafting.hold(occasion, scope, authority, reason), occasion.signed, as_json)


@draft.command
def lift(
    file: File,
    *,
    lifts: Annotated[int, Parameter(help="the slot of the hold that ends")],
    authority: Authority,
    reason: Reason = "",
    slot: Slot = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """The end of a hold. It needs officials of two different parties."""
    occasion = _occasion(load_office(config), slot)
    _write(file, drafting.lift(occasion, lifts, authority, reason), occasion.signed, as_json)


@draft.command
def key(
    file: File,
    *,
    party: Annotated[str, Parameter(help="whose key it is")],
    use: Annotated[KeyUse, Parameter(help="what for")],
    public: Annotated[str, Parameter(help="the public key: base64 or PEM, or the name of a file with it")],
    from_: Annotated[datetime, Parameter("--from", help="UTC unless it says otherwise")],
    until: Annotated[datetime, Parameter(help="UTC unless it says otherwise")],
    authority: Authority,
    reason: Reason = "",
    slot: Slot = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """One more key of a party. It needs officials of two parties, one of them its own."""
    occasion = _occasion(load_office(config), slot)
    record = KeyRecord(
        party=party, use=use, public=read_public(public), valid_from=_utc(from_), valid_until=_utc(until)
    )
    _write(file, drafting.key(occasion, record, authority, reason), occasion.signed, as_json)


@draft.command
def shred(
    file: File,
    *,
    key_id: Annotated[str, Parameter(help="the sealing key that is destroyed")],
    authority: Authority,
    reason: Reason = "",
    slot: Slot = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """The end of a sealing key, and of all that was sealed to it. Officials of two parties, one its own."""
    occasion = _occasion(load_office(config), slot)
    _write(file, drafting.shred(occasion, key_id, authority, reason), occasion.signed, as_json)


@draft.command
def agreement(
    file: File,
    *,
    version: Annotated[Path, Parameter(help="the signed agreement file that comes into force")],
    authority: Authority,
    reason: Reason = "",
    slot: Slot = None,
    config: Config,
    as_json: AsJson = False,
) -> None:
    """A version of the agreement, installed at all parties. It needs officials of all of them."""
    office = load_office(config)
    named = office.installed(version)
    occasion = _occasion(office, slot)
    _write(file, drafting.agreement(occasion, named, authority, reason), named, as_json)


@app.command
def sign(
    file: File,
    *,
    key: Annotated[Path, Parameter(help="the official's private key, PEM, of mode 0600")],
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Add one official's signature. Look at it first, with `show`. Connects to nothing."""
    office, found = load_office(config), draft_file.read(file)
    under = office.under(draft_file.cited(found))
    signed = draft_file.add_signature(found, Signer(read_signing_key(key)), under, datetime.now(UTC))
    draft_file.replace(file, signed)
    _report(file, signed, under, as_json)


@app.command
def show(file: File, *, config: Config, as_json: AsJson = False) -> None:
    """Say what a control does, who has signed it, and what is missing. Connects to nothing."""
    office, found = load_office(config), draft_file.read(file)
    under = office.under(draft_file.cited(found))
    if as_json:
        _report(file, found, under, as_json)
        return
    now = datetime.now(UTC)
    control, _ = draft_file.opened(found, under, now)
    print("\n".join(explain.explain(found, control, under, now)))


@app.command
def publish(file: File, *, config: Config, as_json: AsJson = False) -> None:
    """Store it in its slot, if it counts. Exit code 3, and nothing is sent, if it does not."""
    office, found = load_office(config), draft_file.read(file)
    under = office.under(draft_file.cited(found))
    control, _ = draft_file.opened(found, under, datetime.now(UTC))
    sequence = asyncio.run(publishing.publish(office, control, found))
    if as_json:
        print(json.dumps({"version": 1, "slot": control.slot, "sequence": sequence}))
    else:
        print(f"{control.subject}: {control.action}, slot {control.slot}, sequence {sequence}")


def _occasion(office: Office, slot: int | None) -> Occasion:
    state = None if slot is not None else asyncio.run(publishing.in_force(office))
    chosen, now = slot if state is None else state.slot + 1, datetime.now(UTC)
    signed = (state.signed if state else None) or office.versions.newest
    return Occasion(chosen or 0, signed, office.subjects, now, state)


def _write(file: Path, control: Control, under: SignedAgreement, as_json: bool) -> None:
    made = draft_file.draft(control)
    draft_file.create(file, made)
    _report(file, made, under, as_json)


def _report(file: Path, found: Draft, under: SignedAgreement, as_json: bool) -> None:
    now = datetime.now(UTC)
    control, parties = draft_file.opened(found, under, now)
    missing = missing_signatures(control.action, parties, under.agreement)
    if not as_json:
        print(f"{file}: {control.action} for slot {control.slot}; {missing or 'enough have signed'}")
        return
    report = {
        "version": 1,
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
            {"party": party, "key_id": key} for party, key in explain.signatures(found, under, now)
        ],
        "missing": missing,
    }
    print(json.dumps(report))


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
