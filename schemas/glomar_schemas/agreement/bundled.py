"""The agreements that come with Glomar, each a folder of data files. Called by whoever starts from one.

They are models: without keys and unsigned, so that nothing is answered under one as it lies here.
"""

from pathlib import Path

from glomar_schemas.errors import Misconfigured


def agreements() -> dict[str, Path]:
    """Id -> agreement.toml, in the order of the ids. Raises Misconfigured."""
    package = Path(__file__).parent.parent
    # Inside the package where it is installed, beside it in the repository.
    for folder in (package / "agreements", package.parent / "agreements"):
        if found := sorted(folder.glob("*/agreement.toml")):
            return {path.parent.name: path for path in found}
    raise Misconfigured("the agreements that come with Glomar are missing", fix="Install it again")


def agreement(name: str | None = None) -> Path:
    """One of them, by default the first. Raises Misconfigured."""
    found = agreements()
    if name is None:
        return next(iter(found.values()))
    if name not in found:
        known = ", ".join(found)
        raise Misconfigured("no agreement of this name comes with Glomar", where=name, fix=f"Known: {known}")
    return found[name]
