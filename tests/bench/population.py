"""The people and the requests of a benchmark: made once, kept under bench-results/cache. All synthetic."""

import csv
import itertools
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import msgspec
from glomar_local.provision import shipped_agreement
from glomar_schemas.agreement import parse_agreement
from glomar_verifier.register.build import build
from glomar_verifier.register.posted import FORMAT
from glomar_verifier.rules import Rules, load_rules
from glomar_verifier.synth import people, requests, write_register

from tests.bench.figures import Failed

SEED = 6103
PER_NAME = 1000
"""So many people of one name may be asked about: no limit of the agreement counts names alone."""


def register(number: int, cache: Path) -> Path:
    """The register of so many people, built on first use (1,000,000 take about a minute)."""
    rules = load_rules()
    built = cache / f"register-{number}-{rules.digest[:12]}-{FORMAT}.db"
    if not built.exists():
        _build(number, built, rules)
    return built


def _build(number: int, built: Path, rules: Rules) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    extract = built.with_suffix(".csv")
    source = shipped_agreement()
    form = parse_agreement(source.read_bytes(), where=str(source)).address_form
    write_register(number, SEED, extract)
    try:
        build(extract, built, rules, address_form=form)
    finally:
        extract.unlink()


def request_rows(number: int, of_people: int, cache: Path) -> Path:
    """NDJSON of requests about people from all over the register, each with `truth` and `klass`."""
    rows = list(requests(_sample(2 * number, of_people, cache), number, SEED, _today(), per_name=PER_NAME))
    if len(rows) != number:
        raise Failed(f"{of_people} people give {len(rows)} requests, not {number}")
    out = cache / f"requests-{of_people}-{number}.ndjson"
    out.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return out


def _sample(wanted: int, of_people: int, cache: Path) -> list[dict[str, str]]:
    kept = cache / f"people-{of_people}-{wanted}.csv"
    if not kept.exists():
        rows = list(_every(max(1, of_people // wanted), people(of_people, SEED)))
        draft = kept.with_suffix(".draft")
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        draft.replace(kept)
    with kept.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _every(step: int, rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Each step-th person, with all of the person's spells."""
    for place, (_, spells) in enumerate(itertools.groupby(rows, key=lambda row: row["person_id"])):
        if place % step == 0:
            yield from spells


def _today() -> date:
    return date.today()
