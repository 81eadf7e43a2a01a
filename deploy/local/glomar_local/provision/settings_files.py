"""The settings files of the three services, as text. Pure.

Paths are relative to the file, so that a data directory can be moved.
"""

from pathlib import Path

from glomar_schemas.agreement.model import Agreement

from glomar_local.layout import Layout
from glomar_local.ports import HOST, Ports

SERVICES = ("auditor", "verifier", "requester")
"""In the order in which they start; they stop in reverse order."""

Value = str | int | Path


def render(layout: Layout, ports: Ports, agreement: Agreement) -> dict[str, str]:
    """Service -> the content of its settings file."""
    holder, oversight, agency = agreement.holder, agreement.oversight, agreement.requesters[0]
    tables: dict[str, dict[str, Value]] = {
        "auditor": {
            **_shared(layout, ports.bus, oversight, ports.auditor),
            "sealing_key": layout.sealing_keys(oversight),
            "ledger_key": layout.private_key(oversight, "ledger"),
            "ledger": layout.ledger,
        },
        "verifier": {
            **_shared(layout, ports.bus, holder, ports.verifier),
            "signing_key": layout.private_key(holder, "sign"),
            "epochs": layout.epochs,
            "custodian_a": layout.custodian("a"),
            "custodian_b": layout.custodian("b"),
            "tag_key": layout.tag_key(holder),
            "register": layout.register,
            "counts": layout.counts,
            "waiting": layout.waiting,
            "rolls": layout.rolls,
            "veto": layout.veto,
            "ledger_url": _published(ports),
            "own_messages": layout.own_messages,
        },
        "requester": {
            **_shared(layout, ports.bus, agency, ports.requester),
            "agency": agency,
            "signing_key": layout.private_key(agency, "sign"),
            "sealing_key": layout.sealing_keys(agency),
            "store": layout.requests_store,
            "token": layout.token,
            "ledger_url": _published(ports),
            "authorised_by": _delegation(agreement, agency),
            "jurisdiction": agreement.allowed.jurisdictions[0],
        },
    }
    return {service: _toml(table, layout.root) for service, table in tables.items()}


def _shared(layout: Layout, bus_port: int, party: str, http_port: int) -> dict[str, Value]:
    return {
        "url": f"nats://{HOST}:{bus_port}",
        "nkey": layout.nkey(party),
        "agreement": layout.agreement,
        "trust": layout.trust,
        "http_host": HOST,
        "http_port": http_port,
    }


def _published(ports: Ports) -> str:
    """Where the auditor publishes the ledger."""
    return f"http://{HOST}:{ports.auditor}/log"


def _delegation(agreement: Agreement, agency: str) -> str:
    """The delegation that is valid longest. A row of a request file can name another."""
    granted = [each for each in agreement.delegations if each.agency == agency]
    return max(granted, key=lambda each: each.valid_until).id if granted else ""


def _toml(table: dict[str, Value], root: Path) -> str:
    lines = [
        "# `glomar up` writes this file at every start. Change settings with flags or GLOMAR_* variables."
    ]
    for name, value in table.items():
        match value:
            case Path():
                lines.append(f'{name} = "{value.relative_to(root).as_posix()}"')
            case int():
                lines.append(f"{name} = {value}")
            case str():
                lines.append(f'{name} = "{value}"')
    return "\n".join([*lines, ""])
