"""Does the register bear out what a request says? The one question that the verifier asks it.
Called by the verifier's service after every condition of the agreement has held, and by `match`."""

from datetime import date
from typing import Protocol

from glomar_verifier.matching.match import Finding, Query, decide
from glomar_verifier.matching.normalise import AddressForm, NormalAddress, normal_address, normal_name
from glomar_verifier.matching.rules import Rules
from glomar_verifier.register import Register


class Particulars(Protocol):
    """What `glomar_schemas.messages.Subject` holds; blank means not given."""

    @property
    def first_name(self) -> str: ...
    @property
    def middle_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def date_of_birth(self) -> date | None: ...
    @property
    def street_number(self) -> str: ...
    @property
    def street_name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def po_box(self) -> str: ...
    @property
    def city(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def zip(self) -> str: ...


def check(
    register: Register, particulars: Particulars, tax_periods: tuple[int, ...], rules: Rules
) -> Finding:
    """Normalise, look up, decide. Raises Malformed for text that has no normal form, before any lookup."""
    query = normal_query(particulars, tax_periods, rules, register.info().address_form)
    return decide(register.candidates(query), query, rules)


def normal_query(
    particulars: Particulars, tax_periods: tuple[int, ...], rules: Rules, form: AddressForm
) -> Query:
    """The request as the gates compare it. Raises Malformed."""
    return Query(
        name=normal_name(
            particulars.first_name,
            particulars.middle_name,
            particulars.last_name,
            particulars.suffix,
            rules,
        ),
        address=normal_address_of(particulars, rules, form),
        date_of_birth=particulars.date_of_birth,
        tax_periods=tax_periods,
    )


def normal_address_of(particulars: Particulars, rules: Rules, form: AddressForm) -> NormalAddress:
    """Raises Malformed."""
    return normal_address(
        number=particulars.street_number,
        street=particulars.street_name,
        unit=particulars.unit,
        po_box=particulars.po_box,
        city=particulars.city,
        state=particulars.state,
        zip_code=particulars.zip,
        rules=rules,
        form=form,
    )
