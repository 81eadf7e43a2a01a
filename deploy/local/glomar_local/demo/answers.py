"""Fetches answers from the auditor and verifies them without the requester's store.

The request's digest comes from the ledger, so the check rests on the ledger and on signatures alone.
"""

import asyncio
import contextlib
from datetime import UTC, datetime

from glomar_requester.ask import RequestRecord
from glomar_requester.identity import Identity, Profile, load_identity
from glomar_requester.verification.release import VerifiedRelease, open_release, verify_release
from glomar_schemas.messages import ResultQuery, encode
from nats.aio.client import Client
from nats.errors import NoRespondersError

from glomar_local.provision.provision import System

QUERY_TIMEOUT_S = 2.0
POLL_S = 0.1


def identity_of(system: System) -> Identity:
    """The identity of the local system's agency, from the files of the data directory."""
    layout, agency = system.layout, system.agency
    return load_identity(
        Profile(
            agency=agency,
            nkey=layout.nkey(agency),
            agreement=layout.agreement,
            trust=layout.trust,
            signing_key=layout.private_key(agency, "sign"),
            sealing_key=layout.sealing_keys(agency),
            store=layout.requests_store,
        )
    )


async def fetch(bus: Client, identity: Identity, request_id: str, digest: str) -> VerifiedRelease | None:
    """The released verdict on the request whose body has this SHA-256; None if there is none yet.

    Raises IntegrityError for a release that does not verify.
    """
    query = encode(ResultQuery(request_id=request_id))
    try:
        reply = await bus.request(identity.subjects.result(identity.agency), query, timeout=QUERY_TIMEOUT_S)
    except (NoRespondersError, TimeoutError):
        return None
    release = open_release(reply.data, request_id, identity)
    if release is None:
        return None
    request = RequestRecord(request_id, "", "", b"", digest, "", datetime.now(UTC))
    return verify_release(release, request, identity)


async def wait_for(
    bus: Client, identity: Identity, digests: dict[str, str], limit_s: float
) -> dict[str, VerifiedRelease]:
    """Request id -> SHA-256 of its body; returns request id -> answer, for answers within the time limit."""
    found: dict[str, VerifiedRelease] = {}

    async def wait(request_id: str) -> None:
        while request_id not in found:
            proven = await fetch(bus, identity, request_id, digests[request_id])
            if proven is not None:
                found[request_id] = proven
                return
            await asyncio.sleep(POLL_S)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await asyncio.gather(*map(wait, digests))
    return found
