"""What the verifier counted or knows about a request: `facts` in the agreement's conditions. Pure."""

from collections import defaultdict
from datetime import date, timedelta

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.messages import Request
from msgspec import Struct


class Counted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The counts for one request, which include the request itself.

    They are of the requesting agency, within the agreement's window. Refused attempts count too.
    """

    people_with_same_reason: int
    """People about whom the agency gave this reason."""
    open_cases_of_officer: int
    """Cases (a case id and a person) of the officer's requests."""
    addresses_of_name: int
    """Addresses in the agency's requests about this name."""
    people_at_address: int
    """Names in the agency's requests about this address."""
    requests_of_officer: int
    requests_in_case: int
    requests_of_day: int
    """Requests on the same calendar day, in the agreement's time zone."""
    id_reused: bool
    """The agency used this request id before, with other bytes."""


class Engagement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agency's case roll says on the day of the decision; without a roll, nothing is open."""

    case_open: bool = False
    officer_engaged: bool = False
    """The case is open and names this officer."""


class Facts(Counted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `facts`. held: how long the request was held."""

    delegation_valid: bool
    officer_registered: bool
    case_open: bool
    officer_engaged: bool
    analysis_notified: bool
    safeguards_current: bool
    agreement_current: bool
    held: timedelta = timedelta(0)


class Registry:
    """The lists of one agreement, indexed: delegations, officers, safeguards."""

    def __init__(self, agreement: Agreement) -> None:
        self._officers = frozenset(officer.id for officer in agreement.officers)
        self._delegations = defaultdict(list)
        for delegation in agreement.delegations:
            self._delegations[delegation.agency, delegation.id].append(delegation)
        self._certified_until: dict[str, date] = {}
        self._notifications = set()
        for safeguards in agreement.safeguards:
            latest = self._certified_until.get(safeguards.agency, date.min)
            self._certified_until[safeguards.agency] = max(latest, safeguards.valid_until)
            for notification in safeguards.analysis_notifications:
                self._notifications.add((safeguards.agency, notification))

    def facts(
        self,
        request: Request,
        counted: Counted,
        engagement: Engagement,
        today: date,
        *,
        agreement_current: bool,
        held: timedelta = timedelta(0),
    ) -> Facts:
        """today: the day of the decision in the agreement's time zone (`Gate.today`).

        agreement_current: the request names the version that was in force when the stream stored it.
        """
        delegations = self._delegations.get((request.agency, request.authorised_by), ())
        return Facts(
            **{fact: getattr(counted, fact) for fact in Counted.__struct_fields__},
            delegation_valid=any(each.valid_from <= today <= each.valid_until for each in delegations),
            officer_registered=request.officer.id in self._officers,
            case_open=engagement.case_open,
            officer_engaged=engagement.officer_engaged,
            analysis_notified=(request.agency, request.automated_analysis) in self._notifications,
            safeguards_current=today <= self._certified_until.get(request.agency, date.min),
            agreement_current=agreement_current,
            held=held,
        )
