"""The scenario of synthetic requests under one agreement, from the file synthetic.toml beside the agreement.
What depends on an agreement is data; only what concerns people and addresses is code."""

import random
import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

import msgspec
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.agreement.versions import bundled_agreement
from glomar_schemas.errors import Malformed
from msgspec import Struct

Row = dict[str, str]
EARLIEST_TAX_YEAR = 2010


class RandomValue(Struct, frozen=True, forbid_unknown_fields=True):
    """A random value: a day so many days ago, or one of several texts. `then` is appended."""

    days_ago: int | tuple[int, int] | None = None
    one_of: tuple[str, ...] = ()
    then: str = ""


Columns = Mapping[str, str | RandomValue]


class ScenarioKind(Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of request that depends on the agreement. `truth` as in `kinds.RequestKind`."""

    name: str
    weight: int
    truth: str
    columns: dict[str, str | RandomValue]


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """`every` request has these columns, and those of one of the `grounds`. `officers` may be named in a
    request; `earliest_tax_year` is the first one that may be requested."""

    grounds: tuple[dict[str, str | RandomValue], ...]
    kinds: tuple[ScenarioKind, ...]
    every: dict[str, str | RandomValue] = {}
    birth_date_needed: bool = False
    earliest_tax_year: int = EARLIEST_TAX_YEAR
    officers: tuple[str, ...] = ()


@cache
def load_scenario(agreement: str | None = None) -> Scenario:
    """The scenario of a bundled agreement, by default the first. Raises Misconfigured, Malformed."""
    path = bundled_agreement(agreement)
    source = path.with_name("synthetic.toml")
    try:
        scenario = msgspec.convert(tomllib.loads(source.read_text(encoding="utf-8")), Scenario)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Malformed(f"no scenario of synthetic requests ({error})", where=str(source)) from None
    officers = parse_agreement(path.read_bytes(), where=str(path)).officers
    return msgspec.structs.replace(scenario, officers=tuple(officer.id for officer in officers))


def draw_columns(columns: Columns, today: date, rng: random.Random) -> Row:
    """The columns, with a text for each random value."""
    return {
        name: value if isinstance(value, str) else _draw(value, today, rng) for name, value in columns.items()
    }


def _draw(value: RandomValue, today: date, rng: random.Random) -> str:
    if value.one_of:
        return rng.choice(value.one_of) + value.then
    ago = value.days_ago or 0
    days = ago if isinstance(ago, int) else rng.randint(*ago)
    return (today - timedelta(days=days)).isoformat() + value.then
