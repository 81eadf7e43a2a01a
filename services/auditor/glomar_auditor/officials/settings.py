"""What an official's command needs of a settings file: any service's will do. Called by the command line."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings, load_settings
from glomar_schemas.agreement import SignedAgreement, load_trust
from glomar_schemas.subjects import Subjects
from glomar_schemas.versions import Versions, load_versions
from msgspec import Struct


class OfficialSettings(ServiceSettings, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The holder's or the oversight body's: their accounts may carry controls. Nothing is served."""

    http_port: int = 0


class Office(Struct, frozen=True):
    """The agreement under which officials act, and how its bus is reached."""

    settings: OfficialSettings
    versions: Versions
    subjects: Subjects

    @property
    def signed(self) -> SignedAgreement:
        """The newest installed: what counts as long as the bus has not been asked."""
        return self.versions.newest


def load_office(config: Path) -> Office:
    """Connects to nothing. Raises Misconfigured, Malformed, Untrusted."""
    settings = load_settings(OfficialSettings, config)
    versions = load_versions(settings.agreement, load_trust(settings.trust))
    return Office(settings, versions, Subjects(versions.newest.agreement.id, settings.incarnation))
