"""What a command of the oversight body works with: settings, agreement, keys, bus and ledger."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from glomar_runtime.bus.connection import connected
from glomar_runtime.bus.controls import latest_in_force
from glomar_runtime.settings import load_settings
from glomar_schemas.agreement.keyholder import Keyholder, key_files
from glomar_schemas.agreement.model import Agreement
from glomar_schemas.agreement.versions import Versions
from glomar_schemas.subjects import Subjects
from msgspec import Struct
from nats.aio.client import Client

from glomar_auditor.index.database import Index
from glomar_auditor.index.record import MessageReader
from glomar_auditor.ledger.view import LedgerView, ledger_keys, open_view
from glomar_auditor.settings import AuditorSettings


class OversightContext(Struct, frozen=True):
    """Open connections and files, as of one checkpoint."""

    client: Client
    settings: AuditorSettings
    versions: Versions
    subjects: Subjects
    reader: MessageReader
    view: LedgerView

    @property
    def agreement(self) -> Agreement:
        return self.versions.newest.agreement

    @property
    def origin(self) -> str:
        return self.subjects.origin(self.agreement.oversight)

    def index(self, *, write: bool = False) -> Index:
        """The index that the auditor keeps. Raises Damaged, Misconfigured."""
        return Index(self.settings.index_file, self.origin, write=write)


@contextlib.asynccontextmanager
async def open_context(
    config: Path, name: str, checkpoint: Path | None = None
) -> AsyncIterator[OversightContext]:
    """Connects as the auditor. checkpoint: a file with an older checkpoint than the published one.

    Raises Misconfigured, IntegrityError, Unreachable.
    """
    settings = load_settings(AuditorSettings, config)
    versions = settings.load_versions()
    agreement = versions.newest.agreement
    subjects = Subjects(agreement.id, settings.incarnation)
    keyholder = Keyholder(agreement.oversight, key_files(settings.sealing_key))
    async with connected(settings, name) as client:
        in_force = await latest_in_force(client, versions, subjects)
        keyholder.follow(in_force)
        # After the controls: the keys that are in force now open every message under the checkpoint.
        view = open_view(settings.ledger, ledger_keys(in_force.require(), subjects), checkpoint)
        reader = MessageReader(subjects, keyholder.opener)
        yield OversightContext(client, settings, versions, subjects, reader, view)
