"""The nats-server configuration: one account for each party; the account BUS alone owns JetStream.

Accounts reach each other only by service exports and imports with an exact number of tokens. So a publisher
can't choose a reply subject that writes to another party's subject.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.subjects import Subjects
from msgspec import Struct

API_PREFIX = "BUS.API"
"""The prefix under which importers see the JetStream API. Its own name would clash with the account's API."""


class Service(Struct, frozen=True):
    """A subject of BUS that one account may call."""

    account: str
    subject: str

    @property
    def local(self) -> str:
        """The subject under which the importing account calls it."""
        return self.subject.replace("$JS.API", API_PREFIX, 1)


def account(party: str) -> str:
    return party.upper().replace("-", "_")


class Tenant(Struct, frozen=True):
    """One agreement on the bus. users: "bus" and each party -> public nkey."""

    agreement: Agreement
    subjects: Subjects
    users: dict[str, str]


class _Account:
    """One account. A party of two agreements has one account, and one user for each agreement."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.exports: list[str] = []
        self.imports: list[str] = []


def render(tenants: Sequence[Tenant], *, port: int, store: Path) -> str:
    """Returns the text of nats-server.conf."""
    accounts: defaultdict[str, _Account] = defaultdict(_Account)
    for tenant in tenants:
        _admit(tenant, accounts)
    blocks = [
        _account(name, found, "jetstream: enabled" if name == "BUS" else "")
        for name, found in accounts.items()
    ]
    return _HEAD.format(port=port, store=store) + "accounts {\n" + "\n".join(blocks) + "\n}\n"


def _admit(tenant: Tenant, accounts: Mapping[str, _Account]) -> None:
    agreement, subjects = tenant.agreement, tenant.subjects
    services = list(_services(agreement, subjects))
    oversight = account(agreement.oversight)
    deliveries = {
        agreement.holder: subjects.delivery("verifier"),
        agreement.oversight: subjects.delivery("auditor"),
    }
    bus = accounts["BUS"]
    bus.users.append(tenant.users["bus"])
    bus.exports += [_export(service) for service in services]
    bus.exports += [
        f'{{stream: "{subject}", accounts: [{account(party)}]}}' for party, subject in deliveries.items()
    ]
    for party in (agreement.holder, agreement.oversight, *agreement.requesters):
        own = accounts[account(party)]
        own.users.append(tenant.users[party])
        own.imports += [_import(service) for service in services if service.account == account(party)]
        if party in deliveries:
            own.imports.append(f'{{stream: {{account: BUS, subject: "{deliveries[party]}"}}}}')
        if party == agreement.oversight:
            for agency in agreement.requesters:
                own.exports += [
                    f'{{stream: "{subjects.release(agency)}", accounts: [{account(agency)}]}}',
                    f'{{service: "{subjects.result(agency)}", accounts: [{account(agency)}]}}',
                    f'{{stream: "{subjects.notice(agency)}", accounts: [{account(agency)}]}}',
                    f'{{service: "{subjects.notices(agency)}", accounts: [{account(agency)}]}}',
                ]
        if party in agreement.requesters:
            own.imports += [
                f'{{stream: {{account: {oversight}, subject: "{subjects.release(party)}"}}}}',
                f'{{service: {{account: {oversight}, subject: "{subjects.result(party)}"}}}}',
                f'{{stream: {{account: {oversight}, subject: "{subjects.notice(party)}"}}}}',
                f'{{service: {{account: {oversight}, subject: "{subjects.notices(party)}"}}}}',
            ]


def _services(agreement: Agreement, subjects: Subjects) -> Iterable[Service]:
    """Which account may call which subject. This table is the bus's whole authorisation."""
    stream, holder, oversight = subjects.stream, account(agreement.holder), account(agreement.oversight)
    for agency in agreement.requesters:
        yield Service(account(agency), subjects.request(agency))
        yield Service(account(agency), f"$JS.API.DIRECT.GET.{stream}.{subjects.request(agency)}")
        yield Service(account(agency), subjects.ack(agency))
    yield Service(holder, subjects.verdict("*", "*"))
    yield Service(holder, subjects.recall("*", "*"))
    for party in (holder, oversight):
        yield Service(party, f"$JS.API.STREAM.MSG.GET.{stream}")
        # Who may publish a control. Whether it counts depends on its signatures.
        yield Service(party, subjects.control("*"))
    yield Service(oversight, f"$JS.API.STREAM.INFO.{stream}")
    if subjects.predecessor:
        yield Service(oversight, subjects.opening())
    for party, consumer in ((holder, "verifier"), (oversight, "auditor")):
        yield Service(party, f"$JS.API.CONSUMER.INFO.{stream}.{consumer}")
        yield Service(party, f"$JS.ACK.{stream}.{consumer}.>")
    for party in (agreement.holder, agreement.oversight, *agreement.requesters):
        yield Service(account(party), subjects.canary(party))


def _export(service: Service) -> str:
    return f'{{service: "{service.subject}", accounts: [{service.account}]}}'


def _import(service: Service) -> str:
    renamed = f', to: "{service.local}"' if service.local != service.subject else ""
    return f'{{service: {{account: BUS, subject: "{service.subject}"}}{renamed}}}'


def _account(name: str, account: _Account, extra: str) -> str:
    users = ", ".join(f"{{nkey: {nkey}}}" for nkey in account.users)
    lines = [f"  {name}: {{", f"    users: [{users}]"]
    if extra:
        lines.append(f"    {extra}")
    for title, entries in (("exports", account.exports), ("imports", account.imports)):
        if entries:
            lines += [f"    {title}: [", *(f"      {entry}" for entry in entries), "    ]"]
    return "\n".join([*lines, "  }"])


_HEAD = """\
# Written by `glomar up`. One account per party; see the agreement for who they are.
listen: 127.0.0.1:{port}
server_name: glomar
max_payload: 128K
write_deadline: "10s"
jetstream {{
  store_dir: "{store}"
  sync_interval: always   # an acknowledged message survives a power cut
  max_file: 100G
  # One agency that leaves batches open must not starve the others.
  limits {{ batch {{ max_inflight_per_stream: 32, timeout: "1s" }} }}
}}
"""
