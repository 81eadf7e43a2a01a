"""Checks the scope of a hold against an agreement. Pure."""

import re

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.errors import Untrusted

_TAG = re.compile(r"[0-9a-f]{64}\Z")


def require_known(scope: str, agreement: Agreement) -> None:
    """Raises Untrusted for a scope that names nothing under the agreement.

    Such a hold would be in force without effect, and its authority would not notice.
    """
    kind, _, name = scope.partition(":")
    match kind:
        case "all" if scope == kind:
            return
        case "agency":
            if name not in agreement.requesters:
                raise Untrusted("its scope names an agency that is not a requester of the agreement")
        case "jurisdiction":
            if name not in agreement.allowed.jurisdictions:
                raise Untrusted("its scope names a jurisdiction that the agreement does not list")
        case "person" if _TAG.match(name):
            return
        case _:
            raise Untrusted("its scope is not all, agency:NAME, jurisdiction:NAME or person:TAG")
