"""What a live system has left behind, read past its services: verdicts opened, the ledger's leaves."""

import hashlib
from collections.abc import Iterable, Sequence

from glomar_auditor.ledger.fsck import verify
from glomar_local.demo import ledger_count
from glomar_local.provision.provision import System
from glomar_runtime.bus.stream import Stored
from glomar_schemas.crypto.dsse import open_envelope
from glomar_schemas.crypto.sealing import Context, Opener
from glomar_schemas.decoding import decode
from glomar_schemas.keys import key_id, read_sealing_key
from glomar_schemas.messages import Answer, Verdict
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.note import VerifierKey, parse_vkey

from tests.support.bus import Bus
from tests.support.polling import wait_until

LIMIT_S = 300.0


def await_verdicts(bus: Bus, agency: str, slots: Iterable[str]) -> dict[str, Stored]:
    """Slot -> the message in it, once all are there."""
    found: dict[str, Stored] = {}
    missing = list(slots)

    def complete() -> bool:
        for slot in [slot for slot in missing if slot not in found]:
            stored = bus.at(bus.subjects.verdict(agency, slot))
            if stored is not None:
                found[slot] = stored
        return len(found) == len(missing)

    assert wait_until(complete, LIMIT_S), f"no verdict on {[slot for slot in missing if slot not in found]}"
    return found


def open_verdict(system: System, stored: Stored, agency: str) -> tuple[Verdict, Answer]:
    """A verdict and its answer, opened with the oversight body's key."""
    agreement = system.agreement
    private = read_sealing_key(system.layout.private_key(agreement.oversight, "seal"))
    opener = Opener({key_id(private.public_key()): private})
    verdict, _ = open_envelope(stored.body, Verdict, stored.subject)
    context = Context("verdict", agreement.id, agency)
    plaintext = opener.open(verdict.answer, context, "answer", verdict.request_id)
    return verdict, decode(plaintext, Answer, what="answer")


def log_key(system: System) -> VerifierKey:
    return parse_vkey((system.layout.ledger / "log.vkey").read_text(encoding="utf-8").strip())


def await_ledger(bus: Bus) -> list[Leaf]:
    """The leaves of the verified ledger, once it has all that the stream holds now."""
    wanted, ledger = bus.last_sequence(), bus.system.layout.ledger
    key = log_key(bus.system)
    assert wait_until(lambda: verify(ledger, key).size >= wanted, LIMIT_S)
    return list(ledger_count.read(ledger, verify(ledger, key).size))


def leaves_of(stored: Sequence[Stored]) -> list[Leaf]:
    """What the ledger must hold for them, worked out from what the stream's own API hands out."""
    return [
        Leaf(each.sequence, each.time_ns, each.subject, hashlib.sha256(each.body).digest()) for each in stored
    ]
