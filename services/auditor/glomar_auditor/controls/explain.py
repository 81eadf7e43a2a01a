"""A control in plain words, for a lawyer. Pure."""

from collections.abc import Callable
from datetime import datetime

from glomar_schemas.agreement.controls import missing_signatures
from glomar_schemas.agreement.model import Agreement, SignedAgreement
from glomar_schemas.keys import OFFICIAL
from glomar_schemas.messages import Control

from glomar_auditor.controls.draft_file import Draft


def explain(draft: Draft, control: Control, signed: SignedAgreement, at: datetime) -> list[str]:
    """Lines: what it does and from when, its authority, who has signed, what is missing."""
    agreement, signed_by = signed.agreement, signatures(draft, signed, at)
    lines = [
        f"Control {control.slot} under {agreement.id}: {control.action}",
        "",
        f"From the moment at which the bus has stored it in slot {control.slot}:",
        *(f"  {line}" for line in _EFFECTS[control.action](control, agreement)),
        "",
        f"Authority: {control.authority}",
        f"Reason:    {control.reason or '(none given)'}",
        f"Drafted:   {control.issued_at.isoformat()}",
        "",
    ]
    lines += [f"Signed by an official of {party} (key {key})" for party, key in signed_by]
    missing = missing_signatures(control.action, frozenset(party for party, _ in signed_by), agreement)
    lines.append(f"Not enough signatures yet: {missing}." if missing else "Enough have signed to publish it.")
    return lines


def signatures(draft: Draft, signed: SignedAgreement, at: datetime) -> list[tuple[str, str]]:
    """(party, key id) of each. `open_draft` has checked them."""
    return [(signed.ring.signer(each.keyid, at, OFFICIAL)[0], each.keyid) for each in draft.signatures]


def scope_in_words(scope: str, agreement: Agreement) -> str:
    kind, _, name = scope.partition(":")
    match kind:
        case "all":
            return "every request under this agreement"
        case "agency":
            return f"every request of {agreement.parties[name].name}" if name in agreement.parties else scope
        case "jurisdiction":
            return f"every request of the jurisdiction {name}"
        case _:
            return f"every request about the one person whose tag is {name}"


def _hold(control: Control, agreement: Agreement) -> list[str]:
    return [
        f"It covers {scope_in_words(control.scope, agreement)}.",
        "No request that it covers is answered, and no earlier answer to one is released any more.",
        "Requests that it covers wait. None is lost, and the time that they wait does not count against",
        "their expiry.",
        f"It ends only when a later control, signed by officials of two parties, lifts slot {control.slot}.",
    ]


def _lift(control: Control, agreement: Agreement) -> list[str]:
    return [
        f"The hold of slot {control.lifts} ends.",
        "Requests that waited for it are answered, unless another hold covers them.",
        "Answers that it withheld are released, unless another hold covers them.",
        "An answer that was stored against the hold while it was in force stays withheld for ever.",
    ]


def _key(control: Control, agreement: Agreement) -> list[str]:
    record = control.key
    if record is None:
        return ["Nothing: it names no key."]
    use = {"seal": "what is sealed to it", "official": "its officials' orders"}.get(
        record.use, "its messages"
    )
    return [
        f"{_name(record.party, agreement)} uses one more key, for {use}: {record.key_id}",
        f"It is valid from {record.valid_from.isoformat()} to {record.valid_until.isoformat()}.",
        "Its older keys stay valid as long as before.",
    ]


def _shred(control: Control, agreement: Agreement) -> list[str]:
    return [
        f"The sealing key {control.key_id} is no longer in force. Its party deletes it, and its custodians",
        "destroy it. What was sealed to it can never be opened again, by anybody.",
        "The ledger keeps every message, and verifies as before.",
    ]


def _agreement(control: Control, agreement: Agreement) -> list[str]:
    return [
        f"Version {agreement.version} of the agreement is in force (SHA-256 {control.agreement_digest}).",
        "A request that names another version is refused from then on. What was stored before and is not",
        "answered yet is decided under this version.",
        "A service at which it is not installed stops.",
    ]


def _name(party: str, agreement: Agreement) -> str:
    return agreement.parties[party].name if party in agreement.parties else party


_EFFECTS: dict[str, Callable[[Control, Agreement], list[str]]] = {
    "hold": _hold,
    "lift": _lift,
    "key": _key,
    "shred": _shred,
    "agreement": _agreement,
}
