"""What an official's command needs of a settings file: any service's will do. Called by the command line."""

from pathlib import Path

from glomar_runtime.settings import ServiceSettings, load_settings
from glomar_schemas.agreement import SignedAgreement, load_agreement, load_trust
from glomar_schemas.subjects import Subjects
from msgspec import Struct


class OfficialSettings(ServiceSettings, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The holder's or the oversight body's: their accounts may carry controls. Nothing is served."""

    http_port: int = 0


class Office(Struct, frozen=True):
    """The agreement under which officials act, and how its bus is reached."""

    settings: OfficialSettings
    signed: SignedAgreement
    subjects: Subjects


def load_office(config: Path) -> Office:
    """Connects to nothing. Raises Misconfigured, Malformed, Untrusted."""
    settings = load_settings(OfficialSettings, config)
    signed = load_agreement(settings.agreement, load_trust(settings.trust))
    return Office(settings, signed, Subjects(signed.agreement.id, settings.incarnation))
