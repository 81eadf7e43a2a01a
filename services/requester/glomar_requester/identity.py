"""An agency's own keys and the keys that it trusts, loaded from a profile.

`Identity.with_controls` applies the changes that controls make later.
"""

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from glomar_schemas.agreement.controls import InForce
from glomar_schemas.agreement.model import SignedAgreement, load_agreement, load_trust
from glomar_schemas.agreement.versions import Versions, load_versions
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.crypto.sealing import Context, Opener
from glomar_schemas.errors import Misconfigured, Untrusted
from glomar_schemas.keys import key_id, read_sealing_keys, read_signing_key
from glomar_schemas.request_file import Defaults
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.inclusion_watch import Publication
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, format_vkey, open_checkpoint, parse_vkey
from glomar_schemas.tlog.policy import Policy, load_policy
from msgspec import Struct
from msgspec.structs import replace

from glomar_requester.store.vault import Vault


class Profile(Struct, frozen=True, kw_only=True):
    """The paths of an agency's keys, agreement and store, and its defaults for empty columns.

    sealing_key: a PEM file, or a pattern of several (`seal*.pem`): all open, the first locks the store.
    store: the SQLite file of all requests and answers; service and commands may share it.
    ledger: where the oversight body publishes it. If given, the client looks for its own messages in it.
    policy: a tlog-policy file. If given, an answer is handed out only if the policy's quorum has cosigned its
    receipt, at most cosigned_within_hours before the answer is accepted."""

    agency: str
    url: str = "nats://127.0.0.1:4222"
    nkey: Path
    agreement: Path
    trust: Path
    incarnation: int = 1
    signing_key: Path
    sealing_key: Path
    store: Path
    officer_unit: str = ""
    authorised_by: str = ""
    jurisdiction: str = ""
    validity_hours: int = 72
    ledger: Publication | None = None
    policy: Path | None = None
    cosigned_within_hours: int = 24


class Quorum(Struct, frozen=True):
    """Which witnesses must have cosigned a receipt, and their maximum age when its answer is accepted."""

    policy: Policy
    max_age_s: float


class LedgerKey:
    """One key of the ledger. Caches the checkpoints whose signature it has verified."""

    def __init__(self, key: VerifierKey) -> None:
        self.open = lru_cache(maxsize=64)(lambda note: open_checkpoint(note, key))


class Identity(Struct, frozen=True):
    """One agency under one agreement.

    signed: the version in force, as far as the agency knows, with the keys in force.
    ledger_keys: every key that may sign the oversight body's checkpoints.
    """

    agency: str
    signed: SignedAgreement
    versions: Versions
    subjects: Subjects
    signer: Signer
    opener: Opener
    vault: Vault
    ledger_keys: tuple[LedgerKey, ...]
    defaults: Defaults
    in_force: InForce = InForce()
    quorum: Quorum | None = None

    def with_controls(self, in_force: InForce) -> "Identity":
        """The same agency under these controls."""
        signed = in_force.signed or self.signed
        added = _ledger_keys(signed, self.subjects, except_of=self.signed)
        return replace(self, signed=signed, in_force=in_force, ledger_keys=(*self.ledger_keys, *added))

    def agreement_under(self, digest: str) -> SignedAgreement | None:
        """The version with this digest, if a verdict may name it, with the keys in force.

        None: not installed, or never in force. Until a control is known, every installed version counts.
        """
        if digest == self.signed.digest:
            return self.signed
        known = {each for _, each in self.in_force.versions}
        signed = self.versions.get(digest)
        return self.in_force.with_keys(signed) if signed and (not known or digest in known) else None

    def open_checkpoint(self, note: str) -> Checkpoint:
        """Under any key of the ledger. Raises Refused."""
        *others, last = self.ledger_keys
        for key in others:
            with suppress(Untrusted):
                return key.open(note)
        return last.open(note)

    @property
    def to_holder(self) -> Context:
        return Context("request", self.signed.agreement.id, self.agency)

    @property
    def from_auditor(self) -> Context:
        return Context("release", self.signed.agreement.id, self.agency)


def load_identity(profile: Profile) -> Identity:
    """Raises Misconfigured (a file), Malformed or Untrusted (the agreement)."""
    trust = load_trust(profile.trust)
    signed = load_agreement(profile.agreement, trust)
    defaults = Defaults(
        profile.officer_unit, profile.authorised_by, profile.jurisdiction, profile.validity_hours
    )
    max_age_s = profile.cosigned_within_hours * 3600.0
    return make_identity(
        profile.agency,
        signed,
        Signer(read_signing_key(profile.signing_key)),
        *read_sealing_keys(profile.sealing_key).values(),
        incarnation=profile.incarnation,
        defaults=defaults,
        versions=load_versions(profile.agreement, trust),
        quorum=Quorum(load_policy(profile.policy), max_age_s) if profile.policy else None,
    )


def make_identity(
    agency: str,
    signed: SignedAgreement,
    signer: Signer,
    *sealing_keys: EllipticCurvePrivateKey,
    incarnation: int = 1,
    defaults: Defaults | None = None,
    versions: Versions | None = None,
    quorum: Quorum | None = None,
) -> Identity:
    """versions: `signed` alone if they are not given.

    Raises Misconfigured if the agreement names no such requester, or no key of the ledger.
    """
    agreement = signed.agreement
    if agency not in agreement.requesters:
        raise Misconfigured(f"{agreement.id} has no requester of this name", where="agency")
    subjects = Subjects(agreement.id, incarnation)
    ledger_keys = _ledger_keys(signed, subjects)
    if not ledger_keys:
        raise Misconfigured(f"names no ledger key of {agreement.oversight}", where=agreement.id)
    return Identity(
        agency=agency,
        signed=signed,
        versions=versions or Versions({signed.digest: signed}),
        subjects=subjects,
        signer=signer,
        opener=Opener({key_id(key.public_key()): key for key in sealing_keys}),
        vault=Vault(*sealing_keys),
        ledger_keys=ledger_keys,
        defaults=defaults or Defaults(),
        quorum=quorum,
    )


def _ledger_keys(
    signed: SignedAgreement, subjects: Subjects, *, except_of: SignedAgreement | None = None
) -> tuple[LedgerKey, ...]:
    """Every key that may sign the ledger, without those of `except_of`."""
    oversight = signed.agreement.oversight
    known = {key_id(key) for key in except_of.ring.ledger_keys(oversight)} if except_of else set()
    origin = subjects.origin(oversight)
    return tuple(
        LedgerKey(parse_vkey(format_vkey(origin, key)))
        for key in signed.ring.ledger_keys(oversight)
        if key_id(key) not in known
    )
