"""What a command of oversight needs: the auditor's settings, keys, bus, ledger. Called by commands."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from glomar_runtime.bus.connection import connect
from glomar_runtime.bus.controls import latest_in_force
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.keyholder import Keyholder, key_files
from glomar_schemas.agreement.model import Agreement, load_trust
from glomar_schemas.agreement.versions import Versions, load_versions
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from nats.aio.client import Client

from glomar_auditor.index.database import Index
from glomar_auditor.index.record import Reading
from glomar_auditor.ledger.view import LedgerView, ledger_keys, open_view
from glomar_auditor.settings import AuditorSettings


class Sight(Struct, frozen=True):
    """What oversight can see, as of one checkpoint."""

    client: Client
    settings: AuditorSettings
    versions: Versions
    subjects: Subjects
    reading: Reading
    view: LedgerView

    @property
    def agreement(self) -> Agreement:
        return self.versions.newest.agreement

    @property
    def origin(self) -> str:
        return self.subjects.origin(self.agreement.oversight)

    def index(self, *, write: bool = False) -> Index:
        """The kept one. Raises Damaged, Misconfigured."""
        return Index(self.settings.index_file, self.origin, write=write)


@contextlib.asynccontextmanager
async def sight(config: Path, name: str, checkpoint: Path | None = None) -> AsyncIterator[Sight]:
    """Connected as the auditor. checkpoint: an older one than is published, in a file.

    Raises Misconfigured, IntegrityError, Unreachable.
    """
    settings = load_settings(AuditorSettings, config)
    versions = load_versions(settings.agreement, load_trust(settings.trust))
    agreement = versions.newest.agreement
    subjects = Subjects(agreement.id, settings.incarnation)
    keyholder = Keyholder(agreement.oversight, key_files(settings.sealing_key))
    client = await connect(settings, name, quiet=True)
    try:
        in_force = await latest_in_force(client, versions, subjects)
        keyholder.follow(in_force)
        # After the controls: what the checkpoint covers is opened by keys that are in force now.
        view = open_view(settings.ledger, ledger_keys(in_force.require(), subjects), checkpoint)
        reading = Reading(subjects, keyholder.opener)
        yield Sight(client, settings, versions, subjects, reading, view)
    finally:
        await client.close()
