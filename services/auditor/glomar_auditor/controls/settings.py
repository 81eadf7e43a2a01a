"""What an official's command needs of a settings file: any service's will do. Called by the command line."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings, load_settings
from glomar_schemas.agreement.model import SignedAgreement, Trust, load_agreement, load_trust
from glomar_schemas.agreement.versions import Versions, load_versions
from glomar_schemas.errors import Misconfigured
from glomar_schemas.subjects import Subjects
from msgspec import Struct


class OfficialSettings(ServiceSettings, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The holder's or the oversight body's: their accounts may carry controls. Nothing is served."""

    http_port: int = 0


class Office(Struct, frozen=True):
    """The agreement under which officials act, in its installed versions, and how its bus is reached."""

    settings: OfficialSettings
    trust: Trust
    versions: Versions
    subjects: Subjects

    def under(self, digest: str) -> SignedAgreement:
        """The version that a control names; the newest, where that one is not installed."""
        return self.versions.get(digest) or self.versions.newest

    def installed(self, file: Path) -> SignedAgreement:
        """Raises Misconfigured unless that signed file is one of the installed versions; Untrusted."""
        named = load_agreement(file, self.trust)
        if self.versions.get(named.digest) is None:
            beside = self.settings.agreement.parent
            raise Misconfigured(
                "not installed here", where=str(file), fix=f"Put it and its .sig into {beside}"
            )
        return named


def load_office(config: Path) -> Office:
    """Connects to nothing. Raises Misconfigured, Malformed, Untrusted."""
    settings = load_settings(OfficialSettings, config)
    trust = load_trust(settings.trust)
    versions = load_versions(settings.agreement, trust)
    return Office(settings, trust, versions, Subjects(versions.newest.agreement.id, settings.incarnation))


def read_public(text: str) -> str:
    """A public key as base64, as PEM, or as the name of a file with either -> base64. Nothing is checked."""
    path = Path(text)
    if len(text) < 256 and path.is_file():
        text = path.read_text(encoding="ascii", errors="replace")
    return "".join(line.strip() for line in text.splitlines() if not line.startswith("-----"))
