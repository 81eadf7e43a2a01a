"""What synthetic requests say under one agreement, from the file synthetic.toml beside it. For `requests`.

The agreement's own words are data here as everywhere; only what concerns people and addresses is code.
"""

import random
import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

import msgspec
from glomar_schemas.agreement import bundled as shipped
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.errors import Malformed
from msgspec import Struct

Row = dict[str, str]
EARLIEST_TAX_YEAR = 2010


class Drawn(Struct, frozen=True, forbid_unknown_fields=True):
    """A day so many days ago, or one of several texts; `then` is put behind it."""

    days_ago: int | tuple[int, int] | None = None
    one_of: tuple[str, ...] = ()
    then: str = ""


Columns = Mapping[str, str | Drawn]


class Kind(Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of request that the agreement has an opinion on. `truth` as in `kinds.Klass`."""

    name: str
    weight: int
    truth: str
    columns: dict[str, str | Drawn]


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """`every` request has these columns, and those of one of the `grounds`. officers: who may be named.
    earliest_tax_year: from which one may ask."""

    grounds: tuple[dict[str, str | Drawn], ...]
    kinds: tuple[Kind, ...]
    every: dict[str, str | Drawn] = {}
    birth_date_needed: bool = False
    earliest_tax_year: int = EARLIEST_TAX_YEAR
    officers: tuple[str, ...] = ()


@cache
def load_scenario(agreement: str | None = None) -> Scenario:
    """Of a shipped agreement, by default the first. Raises Misconfigured, Malformed."""
    path = shipped.agreement(agreement)
    source = path.with_name("synthetic.toml")
    try:
        scenario = msgspec.convert(tomllib.loads(source.read_text(encoding="utf-8")), Scenario)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Malformed(f"no scenario of synthetic requests ({error})", where=str(source)) from None
    officers = parse_agreement(path.read_bytes(), where=str(path)).officers
    return msgspec.structs.replace(scenario, officers=tuple(officer.id for officer in officers))


def drawn(columns: Columns, today: date, dice: random.Random) -> Row:
    """The columns with what is to be drawn drawn."""
    return {
        name: value if isinstance(value, str) else _draw(value, today, dice)
        for name, value in columns.items()
    }


def _draw(value: Drawn, today: date, dice: random.Random) -> str:
    if value.one_of:
        return dice.choice(value.one_of) + value.then
    ago = value.days_ago or 0
    days = ago if isinstance(ago, int) else dice.randint(*ago)
    return (today - timedelta(days=days)).isoformat() + value.then
