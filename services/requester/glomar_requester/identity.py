"""What an agency speaks with and whom it believes, loaded from a profile. Called by the client.

What changes later, by controls that the agency is told of, `knowing` lays over it.
"""

from contextlib import suppress
from functools import lru_cache

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
from glomar_schemas.tlog.note import Checkpoint, VerifierKey, format_vkey, open_checkpoint, parse_vkey
from glomar_schemas.tlog.policy import Policy, load_policy
from msgspec import Struct
from msgspec.structs import replace

from glomar_requester.profile import Profile
from glomar_requester.store.vault import Vault


class Quorum(Struct, frozen=True):
    """Which witnesses must have cosigned a receipt, and how long ago at most when its answer is taken."""

    policy: Policy
    max_age_s: float


class Log:
    """The ledger under one of its keys; remembers the checkpoints whose signature it has checked."""

    def __init__(self, key: VerifierKey) -> None:
        self.open = lru_cache(maxsize=64)(lambda note: open_checkpoint(note, key))


class Identity(Struct, frozen=True):
    """One agency under one agreement; `logs`: one for each key that may sign oversight's checkpoints.

    signed: the version in force, as far as the agency knows, with the keys in force.
    """

    agency: str
    signed: SignedAgreement
    versions: Versions
    subjects: Subjects
    signer: Signer
    opener: Opener
    vault: Vault
    logs: tuple[Log, ...]
    defaults: Defaults
    in_force: InForce = InForce()
    quorum: Quorum | None = None

    def knowing(self, in_force: InForce) -> "Identity":
        """The same agency, once it was told of these controls."""
        signed = in_force.signed or self.signed
        known = replace(self, signed=signed, in_force=in_force)
        return replace(known, logs=(*self.logs, *_logs(signed, self.subjects, beside=self.signed)))

    def under(self, digest: str) -> SignedAgreement | None:
        """The version under which something may have been decided, with the keys in force.

        None: not installed, or it never came into force. Before any control is known, each may have.
        """
        if digest == self.signed.digest:
            return self.signed
        known = {each for _, each in self.in_force.versions}
        signed = self.versions.get(digest)
        return self.in_force.with_keys(signed) if signed and (not known or digest in known) else None

    def open_checkpoint(self, note: str) -> Checkpoint:
        """Under any key of the ledger. Raises Refused."""
        *others, last = self.logs
        for log in others:
            with suppress(Untrusted):
                return log.open(note)
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

    Raises Misconfigured when the agreement knows no such requester, or no key of the ledger.
    """
    agreement = signed.agreement
    if agency not in agreement.requesters:
        raise Misconfigured(f"{agreement.id} has no requester of this name", where="agency")
    subjects = Subjects(agreement.id, incarnation)
    logs = _logs(signed, subjects)
    if not logs:
        raise Misconfigured(f"names no ledger key of {agreement.oversight}", where=agreement.id)
    return Identity(
        agency=agency,
        signed=signed,
        versions=versions or Versions({signed.digest: signed}),
        subjects=subjects,
        signer=signer,
        opener=Opener({key_id(key.public_key()): key for key in sealing_keys}),
        vault=Vault(*sealing_keys),
        logs=logs,
        defaults=defaults or Defaults(),
        quorum=quorum,
    )


def _logs(
    signed: SignedAgreement, subjects: Subjects, *, beside: SignedAgreement | None = None
) -> tuple[Log, ...]:
    """One for each key under which the ledger may be signed, but for those of `beside`."""
    oversight = signed.agreement.oversight
    known = {key_id(key) for key in beside.ring.ledger_keys(oversight)} if beside else set()
    origin = subjects.origin(oversight)
    return tuple(
        Log(parse_vkey(format_vkey(origin, key)))
        for key in signed.ring.ledger_keys(oversight)
        if key_id(key) not in known
    )
