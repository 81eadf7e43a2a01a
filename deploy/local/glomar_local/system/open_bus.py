"""Prepares a new bus: stream and consumers, then the agreement as the first control message.

It acts as the operator of account BUS. Every step is idempotent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from glomar_runtime.bus import topology
from glomar_schemas.crypto.dsse import seal_envelope
from glomar_schemas.errors import Unreachable
from glomar_schemas.messages import Control
from glomar_schemas.publish import SUBJECT_TAKEN, NotStored, Outgoing, store
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError

from glomar_local.ports import HOST
from glomar_local.provision.credentials import OPERATOR, official
from glomar_local.provision.provision import System
from glomar_local.system.process import POLL_S

LIMIT_S = 20.0
FIRST_SLOT = 1


async def open_bus(system: System, replicas: int = 1) -> None:
    """Returns once services can connect, for this agreement and the further ones.

    replicas: the number of nodes of the cluster.
    Raises Unreachable; IntegrityError if the stream has another configuration.
    """
    for each in system.all:
        await _open(each, replicas)


async def _open(system: System, replicas: int) -> None:
    async with connected(system, OPERATOR, limit_s=LIMIT_S) as admin:
        await _create_streams(admin, system, replicas)
        await put_in_force(admin, system)


async def put_in_force(admin: Client, system: System) -> None:
    """Publishes the agreement as the first control of its stream. Idempotent."""
    try:
        await store(admin, _first_control(system))
    except NotStored as refusal:
        # An earlier start has published it.
        if refusal.err_code != SUBJECT_TAKEN:
            raise


@contextlib.asynccontextmanager
async def connected(system: System, party: str, limit_s: float = 2.0) -> AsyncIterator[Client]:
    """A plain connection with a party's nkey, tried until the limit. Raises Unreachable."""
    url = f"nats://{HOST}:{system.ports.bus}"
    deadline = asyncio.get_running_loop().time() + limit_s
    while True:
        client = Client()
        try:
            await client.connect(
                url,
                nkeys_seed=str(system.layout.nkey(party)),
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=POLL_S,  # type: ignore[arg-type]  # it takes fractions
                connect_timeout=1,
                error_cb=_silent,
            )
            break
        except (NoServersError, NatsError, OSError, TimeoutError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise Unreachable(
                    f"nats-server does not answer ({type(error).__name__})",
                    where=url,
                    fix=f"See {system.layout.log('nats-server')}",
                ) from None
            await asyncio.sleep(POLL_S)
    try:
        yield client
    finally:
        await client.close()


async def _create_streams(admin: Client, system: System, replicas: int) -> None:
    """Creates stream and consumers once JetStream answers, which is shortly after the port is open."""
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    while True:
        try:
            return await topology.create(admin, system.subjects, replicas)
        except Unreachable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(POLL_S)


def _first_control(system: System) -> Outgoing:
    agreement, subject = system.agreement, system.subjects.control(FIRST_SLOT)
    control = Control(
        slot=FIRST_SLOT,
        subject=subject,
        agreement=agreement.id,
        action="agreement",
        agreement_digest=system.signed.digest,
        authority=agreement.authority,
        reason=f"Version {agreement.version} is in force",
        issued_at=datetime.now(UTC),
    )
    signers = [official(system.layout, party) for party in (agreement.holder, *agreement.requesters)]
    return Outgoing(subject, seal_envelope(control, signers), {})


async def _silent(_: Exception) -> None:
    """Ignores errors: nats-py prints each failed attempt, and while the server starts they are expected."""
