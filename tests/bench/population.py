"""The synthetic people and requests of a benchmark: generated once, stored in bench-results/cache."""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from glomar_evaluation.synth import people, requests, write_register
from glomar_local.demo.population import today
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.agreement.versions import bundled_agreement
from glomar_verifier.matching.rules import Rules, load_rules
from glomar_verifier.register.build import build
from glomar_verifier.register.lookup import FORMAT

from tests.bench.figures import Failed

SEED = 6103
PER_NAME = 1000
"""So many people of one name are requested; `agreement` raises the limits."""

_QUOTAS = (
    "open_cases_per_officer", "addresses_per_name", "people_per_address", "requests_per_officer",
    "requests_per_case", "requests_per_day", "addresses_per_person",
)  # fmt: skip
_NO_QUOTA = 1_000_000_000


def register(number: int, cache: Path) -> Path:
    """The register of so many people, built at the first use (1,000,000 take about a minute)."""
    rules = load_rules()
    built = cache / f"register-{number}-{rules.digest[:12]}-{FORMAT}.db"
    if not built.exists():
        _build(number, built, rules)
    return built


def _build(number: int, built: Path, rules: Rules) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    extract = built.with_suffix(".csv")
    source = bundled_agreement()
    form = parse_agreement(source.read_bytes(), where=str(source)).address_form
    write_register(number, SEED, extract)
    try:
        build(extract, built, rules, address_form=form)
    finally:
        extract.unlink()


def agreement(out: Path) -> Path:
    """The bundled agreement with all its conditions, and with quotas that a run does not reach.

    Nothing else differs: everything is counted and compared as usual.
    """
    text = bundled_agreement().read_text(encoding="utf-8")
    for name in _QUOTAS:
        text, found = re.subn(rf"^{name} = [0-9]+", f"{name} = {_NO_QUOTA}", text, flags=re.MULTILINE)
        if found != 1:
            raise Failed(f"the agreement has {found} limits {name}")
    out.write_text(text, encoding="utf-8")
    return out


def request_rows(number: int, of_people: int, cache: Path) -> Path:
    """NDJSON of requests about people from the whole register, each with `truth` and `klass`."""
    rows = list(requests(sample(2 * number, of_people, cache), number, SEED, today(), per_name=PER_NAME))
    if len(rows) != number:
        raise Failed(f"{of_people} people give {len(rows)} requests, not {number}")
    out = cache / f"requests-{of_people}-{number}.ndjson"
    out.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return out


def sample(wanted: int, of_people: int, cache: Path) -> list[dict[str, str]]:
    """Register rows of people from the whole register, with all spells of each person together."""
    stored = cache / f"people-{of_people}-{wanted}-{load_rules().digest[:12]}.csv"
    if not stored.exists():
        rows = list(_every(max(1, of_people // wanted), people(of_people, SEED)))
        draft = stored.with_suffix(".draft")
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        draft.replace(stored)
    with stored.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _every(step: int, rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    """One person of each `step`, with all spells of the person."""
    for place, (_, spells) in enumerate(itertools.groupby(rows, key=lambda row: row["person_id"])):
        if place % step == 0:
            yield from spells
