"""What an official's command reads from a settings file of any service."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings, load_settings
from glomar_schemas.agreement.model import SignedAgreement, Trust, load_agreement, load_trust
from glomar_schemas.agreement.versions import Versions, load_versions
from glomar_schemas.errors import Misconfigured
from glomar_schemas.subjects import Subjects
from msgspec import Struct


class OfficialSettings(ServiceSettings, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The holder's or the oversight body's: only their accounts may publish controls. Nothing is served."""

    http_port: int = 0


class OfficialContext(Struct, frozen=True):
    """The agreement under which officials act, in its installed versions, and the settings of its bus."""

    settings: OfficialSettings
    trust: Trust
    versions: Versions
    subjects: Subjects

    def version(self, digest: str) -> SignedAgreement:
        """The version with that digest; the newest if that one is not installed."""
        return self.versions.get(digest) or self.versions.newest

    def installed(self, file: Path) -> SignedAgreement:
        """Raises Misconfigured unless the signed file is one of the installed versions; Untrusted."""
        signed = load_agreement(file, self.trust)
        if self.versions.get(signed.digest) is None:
            folder = self.settings.agreement.parent
            raise Misconfigured(
                "not installed here", where=str(file), fix=f"Put it and its .sig into {folder}"
            )
        return signed


def load_context(config: Path) -> OfficialContext:
    """Connects to nothing. Raises Misconfigured, Malformed, Untrusted."""
    settings = load_settings(OfficialSettings, config)
    trust = load_trust(settings.trust)
    versions = load_versions(settings.agreement, trust)
    subjects = Subjects(versions.newest.agreement.id, settings.incarnation)
    return OfficialContext(settings, trust, versions, subjects)


def read_public(text: str) -> str:
    """A public key as base64, as PEM, or as the name of a file with either -> base64. Nothing is checked."""
    path = Path(text)
    if len(text) < 256 and path.is_file():
        text = path.read_text(encoding="ascii", errors="replace")
    return "".join(line.strip() for line in text.splitlines() if not line.startswith("-----"))
