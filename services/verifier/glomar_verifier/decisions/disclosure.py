"""The outcome after a lookup: whether the person that the register found may be confirmed. Pure.

Every reason against it gives the same deny as a person who is not in the register.
"""

from typing import Literal

from glomar_verifier.matching.match import MatchResult


def outcome(
    result: MatchResult,
    *,
    addresses: int,
    most_addresses: int | None,
    vetoed: bool,
    held: bool,
    countable: bool,
) -> Literal["confirm", "deny"]:
    """addresses: at how many the agency had this person looked up, this lookup included.

    most_addresses: the agreement's limit, if it has one. vetoed: by the holder (26 U.S.C. 6103(i)(6)).
    held: a hold is on this person under another spelling of the name. countable: the names could be counted,
    so that no limit is evaded.
    """
    over = most_addresses is not None and addresses > most_addresses
    if result.outcome == "deny" or over or vetoed or held or not countable:
        return "deny"
    return "confirm"
