"""A request in the normal form that is compared with the register."""

from glomar_schemas.messages import Subject

from glomar_verifier.matching.addresses import AddressForm, NormalAddress, normal_address
from glomar_verifier.matching.match import Query
from glomar_verifier.matching.names import normal_name
from glomar_verifier.matching.rules import Rules, known_birth


def normal_query(
    particulars: Subject, tax_periods: tuple[int, ...], rules: Rules, form: AddressForm
) -> Query:
    """Raises Malformed for text that has no normal form."""
    born = known_birth(particulars.date_of_birth, rules)
    return Query(
        name=normal_name(
            particulars.first_name,
            particulars.middle_name,
            particulars.last_name,
            particulars.suffix,
            rules,
        ),
        address=normal_address_of(particulars, rules, form),
        date_of_birth=born,
        tax_periods=tax_periods,
        birth_unsure=born is not None and (born.month, born.day) in rules.birthdays_of_unknown,
    )


def normal_address_of(particulars: Subject, rules: Rules, form: AddressForm) -> NormalAddress:
    """Raises Malformed."""
    return normal_address(
        number=particulars.street_number,
        street=particulars.street_name,
        unit=particulars.unit,
        po_box=particulars.po_box,
        city=particulars.city,
        state=particulars.state,
        zip_code=particulars.zip,
        urbanization=particulars.urbanization or "",
        rules=rules,
        form=form,
    )
