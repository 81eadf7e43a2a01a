"""Data directories that are ready to run, and request files with their right outcomes."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
from glomar_local import ports
from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_local.provision.provision import System, provision
from glomar_schemas.request_file import COLUMNS, Ask, parse_ask
from msgspec import Struct


class RequestFile(Struct, frozen=True):
    """A file of requests. truths: reference -> the right outcome: `confirm`, `deny` or `refused`."""

    file: Path
    rows: Sequence[dict[str, str]]

    @property
    def truths(self) -> dict[str, str]:
        return {row["reference"]: row["truth"].partition(":")[0] for row in self.rows}

    @property
    def bodies(self) -> list[bytes]:
        """The requests as JSON, for the HTTP API."""
        asks = [parse_ask({column: row[column] for column in COLUMNS}) for row in self.rows]
        assert all(isinstance(ask, Ask) for ask in asks)
        return [msgspec.json.encode(ask) for ask in asks]


def provisioned(root: Path, register: Path) -> System:
    """A new data directory with its own keys, agreement and free ports, and a copy of a built register."""
    system = provision(Layout(root.resolve()), ports.free())
    shutil.copyfile(register, system.layout.register)
    population.make_rolls(system.layout, system.agreement)
    return system


def requests(number: int, folder: Path, files: int = 1) -> list[RequestFile]:
    """Synthetic requests, as those of `glomar demo`: `number` in all, each in one of the files."""
    rows = population.make_requests(number, population.today())
    found = []
    for part in range(files):
        file = folder / f"requests-{part}.csv"
        population.write_requests(rows[part::files], file)
        found.append(RequestFile(file, rows[part::files]))
    return found
