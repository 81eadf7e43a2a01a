"""The agreements that are bundled with Glomar, each a folder of data files.

They are templates without keys and signatures: no service answers under one of them.
"""

from pathlib import Path

from glomar_schemas.errors import Misconfigured


def agreements() -> dict[str, Path]:
    """Id -> path of agreement.toml, in the order of the ids. Raises Misconfigured."""
    package = Path(__file__).parent.parent
    # In an installed package the folder is inside, in the repository beside it.
    for folder in (package / "agreements", package.parent / "agreements"):
        if found := sorted(folder.glob("*/agreement.toml")):
            return {path.parent.name: path for path in found}
    raise Misconfigured("the bundled agreements are missing", fix="Install Glomar again")


def agreement(name: str | None = None) -> Path:
    """The path of one agreement, by default the first. Raises Misconfigured."""
    found = agreements()
    if name is None:
        return next(iter(found.values()))
    if name not in found:
        known = ", ".join(found)
        raise Misconfigured("no bundled agreement has this name", where=name, fix=f"Known: {known}")
    return found[name]
