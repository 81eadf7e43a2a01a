"""Every installed version of one agreement; which of them is in force, the control sequence says.

Called by each service at its start. A version must be installed with all parties before it comes into force.
"""

from datetime import datetime
from pathlib import Path

from msgspec import Struct

from glomar_schemas.agreement.model import SignedAgreement, Trust, load_agreement
from glomar_schemas.errors import Misconfigured


class Versions(Struct, frozen=True):
    """At least one version, by the digest of its file."""

    by_digest: dict[str, SignedAgreement]

    @property
    def newest(self) -> SignedAgreement:
        return max(self.by_digest.values(), key=lambda signed: signed.agreement.version)

    def get(self, digest: str) -> SignedAgreement | None:
        return self.by_digest.get(digest)

    def in_force(self, now: datetime) -> SignedAgreement:
        """The newest that is in force by its own dates. Raises Untrusted if none is."""
        covering = [signed for signed in self.by_digest.values() if _covers(signed, now)]
        if not covering:
            self.newest.require_in_force(now)
        return max(covering, key=lambda signed: signed.agreement.version)


def load_versions(path: Path, trust: Trust) -> Versions:
    """The file, and every other signed `.toml` in its directory.

    Raises Misconfigured (unreadable; two versions that are not of one agreement, or have one number),
    Malformed, Untrusted.
    """
    first = load_agreement(path, trust)
    by_digest = {first.digest: first}
    for other in sorted(path.parent.glob("*.toml")):
        if other.name == path.name or not other.with_name(f"{other.name}.sig").exists():
            continue
        found = load_agreement(other, trust)
        _require_one_agreement(first, found, other)
        by_digest[found.digest] = found
    numbers = [signed.agreement.version for signed in by_digest.values()]
    if len(set(numbers)) != len(numbers):
        raise Misconfigured("two agreements with one version number", where=str(path.parent))
    return Versions(by_digest)


def _covers(signed: SignedAgreement, now: datetime) -> bool:
    return signed.agreement.valid_from <= now < signed.agreement.valid_until


def _require_one_agreement(first: SignedAgreement, other: SignedAgreement, where: Path) -> None:
    for field in ("id", "holder", "oversight"):
        if getattr(first.agreement, field) != getattr(other.agreement, field):
            raise Misconfigured(
                f"another {field} than in the version beside it",
                where=str(where),
                fix="Keep other agreements in directories of their own",
            )
