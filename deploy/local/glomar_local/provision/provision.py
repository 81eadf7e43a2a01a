"""Makes a data directory: keys, the signed agreement, the bus configuration, the services' settings.

Keys and agreement are written once. Whatever follows from them and from the ports is written at every start.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from glomar_schemas import files
from glomar_schemas.agreement.model import (
    Agreement,
    SignedAgreement,
    load_agreement,
    load_trust,
    parse_agreement,
    sign_agreement,
)
from glomar_schemas.agreement.versions import bundled_agreement
from glomar_schemas.errors import Misconfigured
from glomar_schemas.keys import KeyRecord
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.note import VerifierKey, format_vkey, parse_vkey
from glomar_verifier.holder_lists import veto
from msgspec import Struct
from msgspec.structs import replace

from glomar_local.layout import Layout
from glomar_local.ports import Ports
from glomar_local.provision import nats_conf, settings_files
from glomar_local.provision.credentials import (
    OPERATOR,
    first_epoch,
    holdings,
    make_missing,
    official,
    parties,
    public_key,
    public_nkey,
    require_all,
)
from glomar_local.provision.nats_conf import Tenant

KEY_YEARS = 5
SKEW = timedelta(minutes=5)
"""Keys are valid from shortly before they are made, so that a clock that is behind accepts them."""


class System(Struct, frozen=True):
    """A provisioned data directory, ready to run."""

    layout: Layout
    ports: Ports
    signed: SignedAgreement
    others: tuple["System", ...] = ()
    """Further agreements on the same bus, each with its own keys, services and ledger."""

    @property
    def all(self) -> tuple["System", ...]:
        return (self, *self.others)

    @property
    def agreement(self) -> Agreement:
        return self.signed.agreement

    @property
    def subjects(self) -> Subjects:
        return Subjects(self.agreement.id)

    @property
    def agency(self) -> str:
        """The requester that this system plays; an agreement may name more."""
        return self.agreement.requesters[0]

    @property
    def log_key(self) -> VerifierKey:
        """Who signs the ledger, by the agreement; not by what the ledger says of itself."""
        oversight = self.agreement.oversight
        newest = self.signed.ring.ledger_keys(oversight)[-1]
        return parse_vkey(format_vkey(self.subjects.origin(oversight), newest))


def provision(
    layout: Layout, ports: Ports, source: Path | None = None, agreements: Sequence[str] = ()
) -> System:
    """Makes what is missing and checks what is there; running it again changes no key and no agreement.

    agreements: ids of shipped ones that are to be there; the first of a new directory is its main one, by
    default the first bundled. `source` is the text of a main one of another's making.
    Raises Misconfigured (unreadable; a key is missing or open to others), Untrusted (the agreement was
    altered after it was signed).
    """
    if source is None and not layout.signatures.exists():
        source = bundled_agreement(*agreements[:1])
    main = _provision(layout, ports, source)
    wanted = dict.fromkeys(each for each in (*layout.others(), *agreements) if each != main.agreement.id)
    others = [
        _provision(layout.beside(name), ports.beside(number), _source_of(layout.beside(name), name))
        for number, name in enumerate(wanted)
    ]
    system = replace(main, others=tuple(others))
    _write_conf(system)
    return system


def _source_of(layout: Layout, name: str) -> Path | None:
    return None if layout.signatures.exists() else bundled_agreement(name)


def _provision(layout: Layout, ports: Ports, source: Path | None) -> System:
    """source: needed where the agreement has not been signed yet."""
    make_directories(layout)
    # The signatures are written last: without them, the rest is a first start that was cut short.
    if not layout.signatures.exists():
        assert source is not None
        _establish(layout, source)
    signed = load_agreement(layout.agreement, load_trust(layout.trust))
    require_all(layout, signed.agreement)
    system = System(layout, ports, signed)
    for service, text in settings_files.render(layout, ports, system.agreement).items():
        files.replace(layout.settings(service), text.encode())
    if not layout.veto.exists():
        veto.write({}, layout.veto)
    return system


def make_root(layout: Layout) -> None:
    """The data directory itself, with nothing in it. Raises Misconfigured where it can't be made."""
    _make(layout, [layout.root])


def make_directories(layout: Layout) -> None:
    """Raises Misconfigured where they can't be made."""
    _make(layout, layout.directories())


def _make(layout: Layout, directories: list[Path]) -> None:
    try:
        layout.root.parent.mkdir(parents=True, exist_ok=True)
        for directory in directories:
            directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"the data directory can't be made ({error.strerror})",
            where=str(layout.root),
            fix="Choose another with --data-dir",
        ) from None


def _establish(layout: Layout, source: Path) -> None:
    """Keys, trust file and signed agreement, from the text in `source`."""
    text = source.read_bytes()
    agreement = parse_agreement(text, where=str(source))
    make_missing(layout, agreement)
    files.replace(layout.trust, _trust_file(layout, agreement).encode())
    signed_text = text + _keys_tables(layout, agreement).encode()
    files.replace(layout.agreement, signed_text)
    signers = [official(layout, party) for party in (agreement.holder, *agreement.requesters)]
    files.replace(layout.signatures, sign_agreement(signed_text, signers))


def _trust_file(layout: Layout, agreement: Agreement) -> str:
    lines = [f'{party} = "{public_key(layout, party, "official")}"' for party in parties(agreement)]
    return "\n".join(["# Whose signatures count: the official of each party.", *lines, ""])


def _keys_tables(layout: Layout, agreement: Agreement) -> str:
    start = datetime.now(UTC).replace(microsecond=0) - SKEW
    end = start + timedelta(days=365 * KEY_YEARS)
    records = [
        KeyRecord(
            party=party, use=use, public=public_key(layout, party, use), valid_from=start, valid_until=end
        )
        for party, use in holdings(agreement)
    ]
    records.append(first_epoch(layout, agreement.holder, start, end))
    tables = [
        f'\n[[keys]]\nparty = "{record.party}"\nuse = "{record.use}"\npublic = "{record.public}"\n'
        f"valid_from = {record.valid_from.isoformat()}\nvalid_until = {record.valid_until.isoformat()}\n"
        for record in records
    ]
    return "".join(["\n# The parties' public keys, appended by `glomar up` before signing.\n", *tables])


def tenant(system: System) -> Tenant:
    """One agreement, as the configuration of the bus knows it."""
    users = {party: public_nkey(system.layout, party) for party in (OPERATOR, *parties(system.agreement))}
    return Tenant(system.agreement, system.subjects, users)


def _write_conf(system: System) -> None:
    tenants = [tenant(each) for each in system.all]
    store = system.layout.nats_store.resolve()
    conf = nats_conf.render(tenants, port=system.ports.bus, store=store)
    files.replace(system.layout.nats_conf, conf.encode())
