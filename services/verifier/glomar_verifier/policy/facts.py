"""What the verifier counted or knows about a request, as the agreement's conditions see it under `facts`.
Gathered by the verifier's app before the gate; pure."""

from collections import defaultdict
from datetime import date, timedelta

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.messages import Request
from msgspec import Struct


class Counted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the counts say about one request; each number includes the request itself.

    All are of the agency that asks, and within the agreement's window: attempts that were refused count too.
    """

    people_with_same_reason: int
    """People about whom it gave this reason."""
    open_cases_of_officer: int
    """Cases (a case id and a person) for which the officer asked."""
    addresses_of_name: int
    """Addresses at which it asked for somebody of this name."""
    people_at_address: int
    """Names for which it asked at this address."""
    requests_of_officer: int
    requests_in_case: int
    requests_of_day: int
    """Requests that came on the same calendar day, in the agreement's time zone."""
    id_reused: bool
    """It used this request id before, with other bytes."""


class Engagement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agency's case roll says today; nothing is known without one."""

    case_open: bool = False
    officer_engaged: bool = False
    """The case is open and names this officer."""


class Facts(Counted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `facts`. `held` is how long the request waited under holds."""

    delegation_valid: bool
    officer_registered: bool
    case_open: bool
    officer_engaged: bool
    analysis_notified: bool
    safeguards_current: bool
    agreement_current: bool
    held: timedelta = timedelta(0)


class Registry:
    """The lists of the agreement in force, ready to be asked: delegations, officers, safeguards."""

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
            delegation_valid=any(one.valid_from <= today <= one.valid_until for one in delegations),
            officer_registered=request.officer.id in self._officers,
            case_open=engagement.case_open,
            officer_engaged=engagement.officer_engaged,
            analysis_notified=(request.agency, request.automated_analysis) in self._notifications,
            safeguards_current=today <= self._certified_until.get(request.agency, date.min),
            agreement_current=agreement_current,
            held=held,
        )
