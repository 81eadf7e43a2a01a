"""Settings of the requester: one `requester.toml` for service and commands."""

from pathlib import Path
from typing import Annotated

from glomar_runtime.settings import LedgerEvery, LedgerUrl, ServiceSettings
from glomar_schemas.tlog.inclusion_watch import CHECK_EVERY_S, Publication
from msgspec import Meta

from glomar_requester.identity import Profile


class RequesterSettings(ServiceSettings, frozen=True, kw_only=True):
    """What the agency's service and commands need besides the settings of every service."""

    agency: Annotated[str, Meta(description="The agency's name in the agreement.")]
    signing_key: Annotated[
        Path, Meta(description="The agency's key that signs requests (Ed25519, PEM, mode 0600).")
    ]
    sealing_key: Annotated[
        Path,
        Meta(
            description="The key to which answers are sealed: a PEM file of mode 0600, or a pattern of "
            "several (`seal*.pem`). All open, the first encrypts the store."
        ),
    ]
    store: Annotated[
        Path,
        Meta(description="The SQLite file of requests and answers, shared by the service and the commands."),
    ]
    token: Annotated[
        Path,
        Meta(description="The bearer token of the HTTP API, or its SHA-256 in hex; a file of mode 0600."),
    ]
    authorised_by: Annotated[
        str, Meta(description="The delegation that a request cites if its row names none.")
    ] = ""
    jurisdiction: Annotated[str, Meta(description="The jurisdiction of a request if its row names none.")] = (
        ""
    )
    officer_unit: Annotated[
        str, Meta(description="The officer's unit of a request if its row names none.")
    ] = ""
    validity_hours: Annotated[
        int, Meta(ge=1, description="Hours until a request expires if its row names no time.")
    ] = 72
    ledger_url: LedgerUrl | None = None
    ledger_every_s: LedgerEvery = CHECK_EVERY_S
    policy: Annotated[
        Path | None,
        Meta(
            description="A tlog-policy file. With one, an answer is handed out only if the policy's quorum "
            "of witnesses has cosigned its receipt."
        ),
    ] = None
    cosigned_within_hours: Annotated[
        int,
        Meta(
            ge=1,
            description="The greatest age of such cosignatures, in hours, at the hand-out of an answer.",
        ),
    ] = 24

    def ledger(self) -> Publication | None:
        return Publication(self.ledger_url, self.ledger_every_s) if self.ledger_url else None

    def profile(self) -> Profile:
        shared = {
            name: getattr(self, name) for name in Profile.__struct_fields__ if name in self.__struct_fields__
        }
        return Profile(**shared, ledger=self.ledger())
