"""Whether a hold's scope names anything under an agreement. Pure; called by the fold of controls, and by
whoever drafts one.
"""

import re

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.errors import Untrusted

_TAG = re.compile(r"[0-9a-f]{64}\Z")


def require_known(scope: str, agreement: Agreement) -> None:
    """Raises Untrusted for a scope that the agreement does not know.

    Such a hold would stand in force and hold nothing, while whoever ordered it believes otherwise.
    """
    kind, _, name = scope.partition(":")
    match kind:
        case "all" if scope == kind:
            return
        case "agency":
            if name not in agreement.requesters:
                raise Untrusted("its scope names an agency that is no requester of the agreement")
        case "jurisdiction":
            if name not in agreement.allowed.jurisdictions:
                raise Untrusted("its scope names a jurisdiction that the agreement does not list")
        case "person" if _TAG.match(name):
            return
        case _:
            raise Untrusted("its scope is none of all, agency:NAME, jurisdiction:NAME, person:TAG")
