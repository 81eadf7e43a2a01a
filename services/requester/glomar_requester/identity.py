"""What an agency speaks with and whom it believes, loaded once from a profile. Called by the client."""

from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from glomar_schemas.agreement import SignedAgreement, load_trust
from glomar_schemas.envelope import Signer
from glomar_schemas.errors import Misconfigured
from glomar_schemas.keys import key_id, read_sealing_keys, read_signing_key
from glomar_schemas.note import VerifierKey, format_vkey, open_checkpoint, parse_vkey
from glomar_schemas.sealing import Context, Opener
from glomar_schemas.subjects import Subjects
from glomar_schemas.versions import Versions, load_versions
from msgspec import Struct

from glomar_requester.profile import Profile
from glomar_requester.vault import Vault


class Defaults(Struct, frozen=True):
    """What a request says where its row is silent."""

    officer_unit: str = ""
    authorised_by: str = ""
    jurisdiction: str = ""
    validity_hours: int = 72


class Log:
    """The ledger under one of its keys; remembers the checkpoints whose signature it has checked."""

    def __init__(self, key: VerifierKey) -> None:
        self.open = lru_cache(maxsize=64)(lambda note: open_checkpoint(note, key))


class Identity(Struct, frozen=True):
    """One agency under one agreement in all its installed versions.

    `logs`: one for each key that may sign oversight's checkpoints.
    """

    agency: str
    versions: Versions
    subjects: Subjects
    signer: Signer
    opener: Opener
    vault: Vault
    logs: tuple[Log, ...]
    defaults: Defaults

    @property
    def to_holder(self) -> Context:
        return Context("request", self.subjects.agreement, self.agency)

    @property
    def from_auditor(self) -> Context:
        return Context("release", self.subjects.agreement, self.agency)

    def current(self, now: datetime) -> SignedAgreement:
        """The version to ask under. Raises Untrusted when none is in force."""
        return self.versions.in_force(now)


def load_identity(profile: Profile) -> Identity:
    """Raises Misconfigured (a file), Malformed or Untrusted (the agreement)."""
    versions = load_versions(profile.agreement, load_trust(profile.trust))
    defaults = Defaults(
        profile.officer_unit, profile.authorised_by, profile.jurisdiction, profile.validity_hours
    )
    return make_identity(
        profile.agency,
        versions,
        Signer(read_signing_key(profile.signing_key)),
        *read_sealing_keys(profile.sealing_key).values(),
        incarnation=profile.incarnation,
        defaults=defaults,
    )


def make_identity(
    agency: str,
    versions: Versions,
    signer: Signer,
    *sealing_keys: EllipticCurvePrivateKey,
    incarnation: int = 1,
    defaults: Defaults | None = None,
) -> Identity:
    """Raises Misconfigured when the agreement knows no such requester, or no key of the ledger."""
    agreement = versions.newest.agreement
    if agency not in agreement.requesters:
        raise Misconfigured(f"{agreement.id} has no requester of this name", where="agency")
    subjects = Subjects(agreement.id, incarnation)
    origin = subjects.origin(agreement.oversight)
    vkeys = {
        format_vkey(origin, key): None
        for signed in versions.by_digest.values()
        for key in signed.ring.ledger_keys(agreement.oversight)
    }
    logs = tuple(Log(parse_vkey(vkey)) for vkey in vkeys)
    if not logs:
        raise Misconfigured(f"names no ledger key of {agreement.oversight}", where=agreement.id)
    return Identity(
        agency=agency,
        versions=versions,
        subjects=subjects,
        signer=signer,
        opener=Opener({key_id(key.public_key()): key for key in sealing_keys}),
        vault=Vault(*sealing_keys),
        logs=logs,
        defaults=defaults or Defaults(),
    )
