"""`verify-receipt FILE`, in `glomar-auditor` and `glomar-requester`: a saved receipt, checked offline.

The file is what `glomar-requester prove --out` writes: C2SP tlog-proof@v1 with its leaf in the `extra` line.
"""

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from glomar_schemas.errors import GlomarError, IntegrityError, Malformed, Misconfigured, Refused
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import receipt as receipts
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, open_checkpoint, parse_vkey
from glomar_schemas.tlog.policy import Policy, load_policy

MAX_RECEIPT_BYTES = 1_000_000


class ProvenReceipt(msgspec.Struct, frozen=True):
    """What a receipt proves: that message, by subject, stream time and SHA-256 (hex) of its body, is leaf
    `index` of the log `origin` of `size` leaves. cosigned: witness of the policy -> time; None without one.
    """

    origin: str
    size: int
    index: int
    subject: str
    time: str
    body_sha256: str
    cosigned: dict[str, str] | None


def verify_receipt(
    file: Annotated[Path, Parameter(help="the receipt: NAME.tlog-proof")],
    *,
    vkey: Annotated[Path | None, Parameter(help="the log's public key, as oversight published it")] = None,
    policy: Annotated[
        Path | None, Parameter(help="a tlog-policy file: whose logs are believed, and which witnesses")
    ] = None,
    as_json: Annotated[bool, Parameter("--json", negative="", help="print it as JSON")] = False,
) -> None:
    """Check a saved receipt, without any connection, and say what it proves. Exit code 6 if it does not hold.

    It takes the log's key, a policy file that lists the log, or both; with a policy its quorum is required.
    """
    if vkey is None and policy is None:
        raise Misconfigured("no key to check it by", where=str(file), fix="Give --vkey, --policy or both")
    believed = load_policy(policy) if policy else None
    if vkey is None and believed is not None and not believed.logs:
        raise Misconfigured("it lists no log", where=str(policy), fix="Add a log line, or give --vkey")
    key = _read_vkey(vkey) if vkey else None
    proved = check_receipt(_read(file), key, believed, where=str(file))
    if as_json:
        print(msgspec.json.encode({"version": 1, **msgspec.to_builtins(proved)}).decode())
        return
    print(f"{file}: holds")
    for line in describe(proved):
        print(f"  {line}")


def check_receipt(text: str, key: VerifierKey | None, policy: Policy | None, *, where: str) -> ProvenReceipt:
    """key: None if the policy alone says whose log it is. Raises IntegrityError if it does not hold."""
    try:
        leaf = receipts.leaf_within(text)
        note = receipts.parse(text).checkpoint
        checkpoint = receipts.check_under(text, leaf, partial(_opened, key=key, policy=policy))
        judged = policy.check_quorum(note) if policy is not None else None
    except (Refused, IntegrityError) as fault:
        raise _does_not_hold(f"{fault.where}: {fault.what}", where) from None
    if judged is not None and judged.missing:
        raise _does_not_hold(judged.missing, where)
    wire = msgspec.json.decode(leaves.encode(leaf))
    return ProvenReceipt(
        origin=checkpoint.origin,
        size=checkpoint.size,
        index=leaf.sequence - 1,
        subject=leaf.subject,
        time=wire["time"],
        body_sha256=wire["body_sha256"],
        cosigned={name: _moment(time) for name, time in judged.times.items()} if judged else None,
    )


def _opened(note: str, key: VerifierKey | None, policy: Policy | None) -> Checkpoint:
    """Signed by the key, if one is given, and by a log of the policy, if it lists any."""
    if policy is not None and (policy.logs or key is None):
        checkpoint = policy.open(note)
    if key is not None:
        checkpoint = open_checkpoint(note, key)
    return checkpoint


def describe(proved: ProvenReceipt) -> list[str]:
    """A line for each thing that a court may rely on."""
    lines = [
        f"the log {proved.origin} has signed that its first {proved.size} leaves are fixed",
        f"leaf {proved.index} of them is the message {proved.subject}",
        f"the bus stored it as sequence {proved.index + 1} at {proved.time}",
        f"its body has the SHA-256 {proved.body_sha256}",
    ]
    if proved.cosigned is None:
        return [*lines, "whether witnesses saw the same log was not asked (--policy)"]
    seen = [f"{name} saw this log, and no other, at {time}" for name, time in proved.cosigned.items()]
    return [*lines, *seen, "the policy's quorum of witnesses is there"]


def write_receipt(path: Path, text: str) -> None:
    """A file that only its owner reads. Raises Misconfigured."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise Misconfigured(f"can't be written ({error.strerror})", where=str(path)) from None


def _read(path: Path) -> str:
    """As it is: text mode would turn a carriage return into a newline, and hide a changed byte."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECEIPT_BYTES)
        # What is cut off, or no text, can't hold.
        return data.decode(errors="replace")
    except OSError as error:
        raise Misconfigured(f"can't be read ({error.strerror})", where=str(path)) from None


def _read_vkey(path: Path) -> VerifierKey:
    try:
        return parse_vkey(_read(path).strip())
    except Malformed as fault:
        raise Misconfigured(f"no log's public key ({fault.what})", where=str(path)) from None


def _moment(time: int) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"second {time}"


def _does_not_hold(what: str, where: str) -> GlomarError:
    return IntegrityError(
        f"the receipt does not hold: {what}",
        where=where,
        fix="Keep the file as evidence, and fetch the receipt again with `glomar-requester prove ID --anew`",
    )
