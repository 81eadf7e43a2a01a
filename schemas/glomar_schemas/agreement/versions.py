"""All installed versions of one agreement, and the agreements that are bundled with Glomar.

The control sequence decides which version is in force.

All parties must install a version before it comes into force.
"""

from datetime import datetime
from pathlib import Path

from msgspec import Struct

from glomar_schemas.agreement.model import SignedAgreement, Trust, load_agreement
from glomar_schemas.errors import Misconfigured


class Versions(Struct, frozen=True):
    """One or more versions, by the digest of the file."""

    by_digest: dict[str, SignedAgreement]

    @property
    def newest(self) -> SignedAgreement:
        return max(self.by_digest.values(), key=lambda signed: signed.agreement.version)

    def get(self, digest: str) -> SignedAgreement | None:
        return self.by_digest.get(digest)

    def in_force(self, now: datetime) -> SignedAgreement:
        """The newest version that is in force by its own dates. Raises Untrusted if none is."""
        covering = [signed for signed in self.by_digest.values() if _covers(signed, now)]
        if not covering:
            self.newest.require_in_force(now)
        return max(covering, key=lambda signed: signed.agreement.version)


def load_versions(path: Path, trust: Trust) -> Versions:
    """Loads the file, and every other signed `.toml` in its directory.

    Raises Misconfigured (unreadable; files of different agreements; two files with one version number),
    Malformed, Untrusted.
    """
    first = load_agreement(path, trust)
    by_digest = {first.digest: first}
    for other in sorted(path.parent.glob("*.toml")):
        if other.name == path.name or not other.with_name(f"{other.name}.sig").exists():
            continue
        version = load_agreement(other, trust)
        _require_one_agreement(first, version, other)
        by_digest[version.digest] = version
    numbers = [signed.agreement.version for signed in by_digest.values()]
    if len(set(numbers)) != len(numbers):
        raise Misconfigured("two files have the same version number", where=str(path.parent))
    return Versions(by_digest)


def _covers(signed: SignedAgreement, now: datetime) -> bool:
    return signed.agreement.valid_from <= now < signed.agreement.valid_until


def _require_one_agreement(first: SignedAgreement, other: SignedAgreement, where: Path) -> None:
    for field in ("id", "holder", "oversight"):
        if getattr(first.agreement, field) != getattr(other.agreement, field):
            raise Misconfigured(
                f"its {field} differs from the other version in this directory",
                where=str(where),
                fix="Keep each agreement in its own directory",
            )


def bundled_agreements() -> dict[str, Path]:
    """The agreements that are bundled with Glomar, each a folder of data files: id -> path of agreement.toml.

    They are templates without keys and signatures, so no service accepts one unchanged. In the order of the
    ids. Raises Misconfigured.
    """
    package = Path(__file__).parent.parent
    # The folder lies inside an installed package; in the repository it lies beside the package.
    for folder in (package / "agreements", package.parent / "agreements"):
        if found := sorted(folder.glob("*/agreement.toml")):
            return {path.parent.name: path for path in found}
    raise Misconfigured("the bundled agreements are missing", fix="Install Glomar again")


def bundled_agreement(name: str | None = None) -> Path:
    """The path of one bundled agreement, by default the first. Raises Misconfigured."""
    found = bundled_agreements()
    if name is None:
        return next(iter(found.values()))
    if name not in found:
        known = ", ".join(found)
        raise Misconfigured("no bundled agreement has this name", where=name, fix=f"Known: {known}")
    return found[name]
