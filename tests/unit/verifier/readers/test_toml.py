"""The lines of each value in a TOML file."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from glomar_verifier.readers.toml import KeyPath, line_of, line_spans

from tests.support.model_request import AGREEMENT_FILE

TEXT = """\
id = "x" # a comment = [ { "
list = [
  1, 2,
  { a = 1, "b.c" = 'd' }, # }
]
"quoted.key" = 2025-06-02 11:00:00
dotted.key = '''
holds = [nothing
'''

[table.inner]
text = \"\"\"
[[not]]
\\"\"\" a quote \"\"\"

[[rows]]
id = 1
[rows.inner]
deep = { x = { y = [[1], [2]] } }

[[rows]]
id = 2
last = true
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("id",), 1),
        (("list",), 2),
        (("list", 0), 3),
        (("list", 1), 3),
        (("list", 2), 4),
        (("list", 2, "b.c"), 4),
        (("quoted.key",), 6),
        (("dotted", "key"), 7),
        (("table", "inner"), 11),
        (("table", "inner", "text"), 12),
        (("rows", 0), 16),
        (("rows", 0, "id"), 17),
        (("rows", 0, "inner"), 18),
        (("rows", 0, "inner", "deep", "x", "y", 1, 0), 19),
        (("rows", 1), 21),
        (("rows", 1, "last"), 23),
        # A missing value has the line of the nearest value around it.
        (("rows", 1, "citation"), 21),
        (("nothing",), 1),
    ],
)
def test_a_value_is_found_in_its_line(place: KeyPath, line: int) -> None:
    assert tomllib.loads(TEXT)
    assert line_of(line_spans(TEXT), place) == line


def places(tree: object, place: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    pairs = (
        tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else iter(())
    )
    for key, value in pairs:
        yield (*place, key), value
        yield from places(value, (*place, key))


@pytest.mark.parametrize(
    "file", sorted(AGREEMENT_FILE.parent.parent.glob("*/agreement.toml")), ids=lambda file: file.parent.name
)
def test_every_value_of_a_real_agreement_is_in_the_named_line(file: Path) -> None:
    text = file.read_text()
    found, text_lines = line_spans(text), text.splitlines()
    checked = 0
    for place, value in places(tomllib.loads(text)):
        if place[-1] in ("id", "name", "citation", "party", "refusal") and isinstance(value, str):
            assert place in found, place
            assert value in text_lines[found[place].first - 1], place
            checked += 1
    assert checked > 50
