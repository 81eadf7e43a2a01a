"""The secret files of a data directory. Each holds one secret, only its owner can read it, and nothing
overwrites it."""

import os
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime

import nkeys
from glomar_schemas.agreement.model import Agreement
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.files import create
from glomar_schemas.keys import (
    KeyRecord,
    KeyUse,
    generate,
    public_text,
    read_sealing_key,
    read_secret,
    read_signing_key,
    write_private,
)
from glomar_verifier.epochs.files import EpochFiles

from glomar_local.layout import Layout

OPERATOR = "bus"
"""The owner of the nkey that administers the bus; not a party of any agreement."""

Holding = tuple[str, KeyUse]


def parties(agreement: Agreement) -> tuple[str, ...]:
    return (agreement.holder, agreement.oversight, *agreement.requesters)


def holdings(agreement: Agreement) -> list[Holding]:
    """Every private key with a file of its own, as (party, use).

    The holder's sealing key is not among them: it belongs to an epoch (`first_epoch`).
    """
    uses: dict[str, list[KeyUse]] = {agreement.holder: ["sign", "official"]}
    uses |= {agency: ["sign", "seal", "official"] for agency in agreement.requesters}
    uses[agreement.oversight] = ["seal", "ledger", "official"]
    return [(party, use) for party in uses for use in uses[party]]


def make_missing(layout: Layout, agreement: Agreement) -> None:
    """Writes each secret file that is missing."""
    for party, use in holdings(agreement):
        path = layout.private_key(party, use)
        if not path.exists():
            write_private(path, generate(use))
    for name, content in _others(agreement):
        path = layout.keys / name
        if not path.exists():
            create(path, content())


def require_all(layout: Layout, agreement: Agreement) -> None:
    """Raises Misconfigured naming the first file that is missing or open to others."""
    for party, use in holdings(agreement):
        read_secret(layout.private_key(party, use))
    for name, _ in _others(agreement):
        read_secret(layout.keys / name)


def epoch_files(layout: Layout) -> EpochFiles:
    return EpochFiles(layout.epochs, (layout.custodian("a"), layout.custodian("b")))


def first_epoch(layout: Layout, party: str, valid_from: datetime, valid_until: datetime) -> KeyRecord:
    """The holder's sealing key: the one of an interrupted earlier start, or else a new one."""
    files = epoch_files(layout)
    made = [record for record in files.records() if record.party == party]
    return made[0] if made else files.create(party, valid_from, valid_until)


def public_key(layout: Layout, party: str, use: KeyUse) -> str:
    """base64 SubjectPublicKeyInfo of a private key in the directory."""
    path = layout.private_key(party, use)
    key = read_sealing_key(path) if use == "seal" else read_signing_key(path)
    return public_text(key.public_key())


def public_nkey(layout: Layout, party: str) -> str:
    pair = nkeys.from_seed(read_secret(layout.nkey(party)))
    name: bytes = pair.public_key
    return name.decode()


def official(layout: Layout, party: str) -> Signer:
    """The signer of agreements and controls for a party."""
    return Signer(read_signing_key(layout.private_key(party, "official")))


def _others(agreement: Agreement) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """(file name, how it is made) of what is not an agreement key."""
    for party in (OPERATOR, *parties(agreement)):
        yield f"{party}.nk", _nkey_seed
    yield f"{agreement.holder}.tag", lambda: os.urandom(32)
    yield "api.token", lambda: secrets.token_urlsafe(24).encode()


def _nkey_seed() -> bytes:
    seed: bytes = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    return seed
