"""Files that are made from the code. `make check` compares them, `make schemas` writes them.

    python -m tests.generate --check    prints the files that differ from what the code makes, exit 1 if any
    python -m tests.generate --write    writes them

A new generated file is one line in GENERATORS: where it goes and the function that makes its bytes.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.generate.asyncapi import asyncapi
from tests.generate.json_schemas import KINDS, json_schema, leaf_schema
from tests.generate.settings_reference import settings_reference
from tests.generate.vectors import VECTORS

ROOT = Path(__file__).resolve().parents[2]

GENERATORS: dict[str, Callable[[], bytes]] = {
    **{f"schemas/json/{name}.schema.json": partial(json_schema, name) for name in KINDS},
    "schemas/json/leaf.schema.json": leaf_schema,
    **VECTORS,
    "schemas/asyncapi.yaml": asyncapi,
    "docs/reference/settings.md": settings_reference,
}
"""Path in the checkout -> its content. Sealed vectors stay the same while they still open."""


def differing(root: Path, generators: Mapping[str, Callable[[], bytes]]) -> list[str]:
    """The paths whose file is missing or differs from its generator's content."""
    return [
        path
        for path, make in generators.items()
        if not (root / path).is_file() or (root / path).read_bytes() != make()
    ]


def main(arguments: list[str]) -> int:
    if arguments not in (["--check"], ["--write"]):
        print("usage: python -m tests.generate --check | --write", file=sys.stderr)
        return 2
    stale = differing(ROOT, GENERATORS)
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path} is not what the code makes. Run: make schemas", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_bytes(GENERATORS[path]())
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
