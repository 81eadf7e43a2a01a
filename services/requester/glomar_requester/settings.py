"""Settings of the requester: one `requester.toml` for service and commands. Called by the command line."""

from pathlib import Path

from glomar_runtime.settings import LedgerEvery, LedgerUrl, ServiceSettings
from glomar_schemas.tlog.inclusion_watch import LOOK_EVERY_S, Publication

from glomar_requester.profile import Profile


class RequesterSettings(ServiceSettings, frozen=True, kw_only=True):
    """token: a file of mode 0600 with the bearer token of the HTTP API, or its SHA-256 in hex;
    ledger_url: where the oversight body publishes the ledger, in which what was asked is then looked for."""

    agency: str
    signing_key: Path
    sealing_key: Path
    store: Path
    token: Path
    authorised_by: str = ""
    jurisdiction: str = ""
    officer_unit: str = ""
    validity_hours: int = 72
    ledger_url: LedgerUrl | None = None
    ledger_every_s: LedgerEvery = LOOK_EVERY_S
    policy: Path | None = None
    cosigned_within_hours: int = 24

    def ledger(self) -> Publication | None:
        return Publication(self.ledger_url, self.ledger_every_s) if self.ledger_url else None

    def profile(self) -> Profile:
        return Profile(
            agency=self.agency,
            url=self.url,
            nkey=self.nkey,
            agreement=self.agreement,
            trust=self.trust,
            incarnation=self.incarnation,
            signing_key=self.signing_key,
            sealing_key=self.sealing_key,
            store=self.store,
            officer_unit=self.officer_unit,
            authorised_by=self.authorised_by,
            jurisdiction=self.jurisdiction,
            validity_hours=self.validity_hours,
            ledger=self.ledger(),
            policy=self.policy,
            cosigned_within_hours=self.cosigned_within_hours,
        )
