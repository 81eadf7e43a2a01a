"""What a running system has stored, read without its services: opened verdicts, leaves of the ledger."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

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


def await_verdicts(bus: Bus, agency: str, request_ids: Iterable[str]) -> dict[str, Stored]:
    """Request id -> the stored verdict, once all are there."""
    found: dict[str, Stored] = {}
    wanted = list(request_ids)

    def missing() -> list[str]:
        return [request_id for request_id in wanted if request_id not in found]

    def complete() -> bool:
        for request_id in missing():
            stored = bus.at(bus.subjects.verdict(agency, request_id))
            if stored is not None:
                found[request_id] = stored
        return len(found) == len(wanted)

    assert wait_until(complete, LIMIT_S), f"no verdict on {missing()}"
    return found


def verdict_opener(system: System, agency: str) -> Callable[[bytes, str], tuple[Verdict, Answer]]:
    """Opens (body, subject) of verdicts on the agency's requests, with the oversight body's key."""
    agreement = system.agreement
    private = read_sealing_key(system.layout.private_key(agreement.oversight, "seal"))
    opener = Opener({key_id(private.public_key()): private})
    context = Context("verdict", agreement.id, agency)

    def opened(body: bytes, subject: str) -> tuple[Verdict, Answer]:
        verdict, _ = open_envelope(body, Verdict, subject)
        plaintext = opener.open(verdict.answer, context, "answer", verdict.request_id)
        return verdict, decode(plaintext, Answer, what="answer")

    return opened


def open_verdict(system: System, stored: Stored, agency: str) -> tuple[Verdict, Answer]:
    """A stored verdict and its answer."""
    return verdict_opener(system, agency)(stored.body, stored.subject)


def log_key(system: System) -> VerifierKey:
    """The key that the ledger publishes."""
    return parse_vkey((system.layout.ledger / "log.vkey").read_text(encoding="utf-8").strip())


def await_ledger(bus: Bus) -> list[Leaf]:
    """The leaves of the verified ledger, once it has all messages that the stream has now."""
    wanted, ledger = bus.last_sequence(), bus.system.layout.ledger
    key = log_key(bus.system)
    assert wait_until(lambda: verify(ledger, key).size >= wanted, LIMIT_S)
    return list(ledger_count.read(ledger, verify(ledger, key).size))


def leaves_of(stored: Sequence[Stored]) -> list[Leaf]:
    """The leaves that the ledger must have for these messages of the stream."""
    return [
        Leaf(each.sequence, each.time_ns, each.subject, hashlib.sha256(each.body).digest()) for each in stored
    ]
