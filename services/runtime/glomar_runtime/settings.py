"""Settings of a service: flag, then environment, then file, then default. A command loads them once.

A file is TOML with the Struct's field names. The environment variable is GLOMAR_<FIELD>. Paths in a file are
relative to the file, so a data directory can be moved.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NewType, TypeVar, get_type_hints

import msgspec
from glomar_schemas.agreement.model import load_trust
from glomar_schemas.agreement.versions import Versions, load_versions
from glomar_schemas.errors import Misconfigured
from glomar_schemas.files import read
from msgspec import Meta, Struct

S = TypeVar("S", bound="ServiceSettings")

ENV_PREFIX = "GLOMAR_"

_SERVER = r"(nats|tls)://(\[[0-9A-Fa-f:]+\]|[^\s/:@,]+)(:[0-9]{1,5})?"
BusUrl = Annotated[str, Meta(pattern=rf"^{_SERVER}(,{_SERVER})*\Z")]
"""One server, or the nodes of a cluster separated by commas. Without user and password: a party's nkey
identifies it, and settings contain no secret."""

LedgerUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?\Z",
        description="Where oversight publishes the ledger: the part of the address before `/checkpoint`. "
        "With it, the service checks that its own messages are in the ledger.",
    ),
]
LedgerEvery = Annotated[float, Meta(gt=0, description="Seconds between two checks of the published ledger.")]

PathOrUrl = NewType("PathOrUrl", str)
"""A path, relative to the file like the others, or a URL, which stays unchanged."""


class ServiceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every service needs. docs/reference/settings.md is generated from the descriptions."""

    url: Annotated[
        BusUrl, Meta(description="The bus: one `nats://` or `tls://` server, or several with commas.")
    ] = "nats://127.0.0.1:4222"
    nkey: Annotated[Path, Meta(description="The party's NATS user seed (nkey), a file of mode 0600.")]
    agreement: Annotated[
        Path,
        Meta(
            description="The signed agreement.toml, with its `.sig` beside it. Other versions lie in the "
            "same directory."
        ),
    ]
    trust: Annotated[Path, Meta(description="The officials' public keys, one line for each party.")]
    incarnation: Annotated[
        int, Meta(ge=1, description="The number of the stream that is in use; the operator raises it.")
    ] = 1
    http_host: Annotated[str, Meta(description="The address on which the service listens.")] = "127.0.0.1"
    http_port: Annotated[int, Meta(ge=1, le=65535, description="The port on which the service listens.")]
    disconnected_limit_s: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds without the bus after which the service ends with exit code 5, so that its "
            "supervisor restarts it.",
        ),
    ] = 60.0

    def load_versions(self) -> Versions:
        """The installed versions of the agreement. Raises Misconfigured, Malformed, Untrusted."""
        return load_versions(self.agreement, load_trust(self.trust))


def load_settings(kind: type[S], file: Path, flags: Mapping[str, str] | None = None) -> S:
    """Raises Misconfigured, which names the file and the field."""
    values: dict[str, Any] = {}
    try:
        values.update(tomllib.loads(read(file).decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"not TOML: {error}", where=str(file)) from None
    hints = get_type_hints(kind)
    paths = {name for name, hint in hints.items() if hint in (Path, Path | None, PathOrUrl)}
    values = {
        name: str(file.parent / value)
        if name in paths and isinstance(value, str) and "://" not in value
        else value
        for name, value in values.items()
    }
    for name in kind.__struct_fields__:
        if (text := os.environ.get(ENV_PREFIX + name.upper())) is not None:
            values[name] = text
    values.update(flags or {})
    try:
        return msgspec.convert(values, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise Misconfigured(
            str(error), where=str(file), fix="Check flags and GLOMAR_* variables too"
        ) from None


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError("Expected a path")
