"""The paths in a data directory."""

from pathlib import Path

from glomar_schemas.keys import KeyUse
from msgspec import Struct


class Layout(Struct, frozen=True):
    """Every path of a data directory. Says nothing about whether it exists."""

    root: Path

    @property
    def agreement(self) -> Path:
        return self.root / "agreement" / "agreement.toml"

    @property
    def signatures(self) -> Path:
        return self.agreement.with_name("agreement.toml.sig")

    @property
    def trust(self) -> Path:
        return self.root / "trust.toml"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def token(self) -> Path:
        """The bearer token of the requester's HTTP API."""
        return self.keys / "api.token"

    @property
    def nats_conf(self) -> Path:
        return self.root / "nats" / "nats-server.conf"

    @property
    def nats_store(self) -> Path:
        return self.root / "nats" / "store"

    @property
    def requests_store(self) -> Path:
        return self.root / "requester" / "store.db"

    @property
    def register_csv(self) -> Path:
        return self.root / "register.csv"

    @property
    def register(self) -> Path:
        return self.root / "verifier" / "register.db"

    @property
    def counts(self) -> Path:
        return self.root / "verifier" / "counts.db"

    @property
    def waiting(self) -> Path:
        return self.root / "verifier" / "waiting.db"

    @property
    def own_messages(self) -> Path:
        """What the verifier has published and not yet found in the ledger."""
        return self.root / "verifier" / "own-messages.db"

    @property
    def rolls(self) -> Path:
        """`<agency>.csv`: the roll of open cases that the agency has filed with the record holder."""
        return self.root / "verifier" / "rolls"

    def beside(self, agreement_id: str) -> "Layout":
        """The layout of a further agreement on the same bus."""
        return Layout(self.root / "agreements" / agreement_id)

    def others(self) -> list[str]:
        """The ids of the further agreements that were made here."""
        return sorted(path.name for path in (self.root / "agreements").glob("*"))

    @property
    def veto(self) -> Path:
        """The record holder's list of people about whom nothing is disclosed."""
        return self.root / "verifier" / "veto.csv"

    @property
    def epochs(self) -> Path:
        """The holder's sealing keys, wrapped."""
        return self.root / "verifier" / "epochs"

    def custodian(self, name: str) -> Path:
        """The medium of custodian `a` or `b`; backups of the rest do not include it."""
        return self.root / "custodians" / name

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def traces(self) -> Path:
        return self.root / "telemetry" / "traces.db"

    @property
    def example_requests(self) -> Path:
        return self.root / "example-requests.csv"

    @property
    def lock(self) -> Path:
        """Locked while any process of the system lives."""
        return self.root / "lock"

    @property
    def supervisor_lock(self) -> Path:
        """Locked while the supervisor itself lives."""
        return self.root / "supervisor.lock"

    @property
    def run(self) -> Path:
        """Process ids and ports of the running system."""
        return self.root / "run.json"

    def settings(self, service: str) -> Path:
        return self.root / f"{service}.toml"

    def log(self, process: str) -> Path:
        return self.root / "logs" / f"{process}.log"

    def nkey(self, party: str) -> Path:
        """The party's NATS seed; `bus` is the operator's."""
        return self.keys / f"{party}.nk"

    def private_key(self, party: str, use: KeyUse) -> Path:
        return self.keys / f"{party}.{use}.pem"

    def sealing_keys(self, party: str) -> Path:
        """A pattern: the first sealing key of an agency or of oversight, and newer ones beside it."""
        return self.keys / f"{party}.seal*.pem"

    def tag_key(self, holder: str) -> Path:
        return self.keys / f"{holder}.tag"

    def directories(self) -> list[Path]:
        """Every directory, outermost first, all of mode 0700."""
        inner = {
            path.parent
            for path in (self.agreement, self.nats_conf, self.requests_store, self.register, self.traces)
        }
        custodians = [self.custodian("a"), self.custodian("b")]
        inner.add(custodians[0].parent)
        return [
            *(self.root, self.keys, *sorted(inner), self.rolls, self.epochs, *custodians),
            *(self.nats_store, self.ledger, self.log("").parent),
        ]
