"""A row of a requests file as the verifier would read it off the bus: the request and the particulars. Pure.
Called by `match`, which asks no bus; what the requester would not have sent is not read here either."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from glomar_schemas.agreement.model import Agreement
from glomar_schemas.decoding import decode, is_odd
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Request, Sealed, Subject
from glomar_schemas.subjects import Subjects
from msgspec import Struct

COLUMNS = (
    "reference", "first_name", "middle_name", "last_name", "suffix", "date_of_birth", "street_number",
    "street_name", "unit", "po_box", "city", "state", "zip", "tax_periods", "ground", "statute",
    "final_order_date", "court_order_date", "removal_class", "relief_pending", "wilfulness_attested",
    "case_id", "officer_id", "reason", "intended_use", "officer_unit", "authorised_by", "jurisdiction",
    "automated_analysis", "expires_at",
)  # fmt: skip
MAX_CHARACTERS = 2_000
VALID_FOR = timedelta(hours=72)
"""What a requester's service adds where a row says nothing."""

_REFERENCE_CHARACTERS = 100
_FLAGS = {"true": True, "false": False}
_YEARS = re.compile(r"[0-9]{4}(;[0-9]{4})*\Z")
_PARTICULARS = Subject.__struct_fields__
_ABSENT = {
    field.name: field.default
    for field in msgspec.structs.fields(Subject)
    if field.default is not msgspec.NODEFAULT
}
_UNSEALED = msgspec.to_builtins(Sealed(key_id="0" * 32, wrap=bytes(113), nonce=bytes(12), ciphertext=b""))
_NO_DIGEST = "0" * 64
_ID = "offline"

Value = bool | str | list[int]


class Asker(Struct, frozen=True):
    """What a requester's settings add to a row: who asks, and the defaults of the optional columns."""

    agency: str
    authorised_by: str
    jurisdiction: str


def default_asker(agreement: Agreement, agency: str = "") -> Asker:
    """The agreement's first requester, under the delegation that counts longest. Raises Malformed."""
    agency = agency or agreement.requesters[0]
    if agency not in agreement.requesters:
        raise Malformed("not a requester of this agreement", where="--agency")
    granted = [each for each in agreement.delegations if each.agency == agency]
    delegation = max(granted, key=lambda each: each.valid_until).id if granted else ""
    return Asker(agency, delegation, agreement.allowed.jurisdictions[0])


def read_asked(
    fields: Mapping[str, str], agreement: str, asker: Asker, now: datetime
) -> tuple[Request, Subject]:
    """Raises Malformed, naming the field, for what could not be sent: no date, too long a text."""
    reference = fields["reference"]
    if len(reference) > _REFERENCE_CHARACTERS or is_odd(reference):
        raise Malformed("too long, or holds odd characters", where="reference")
    given = {name: _value(name, text) for name, text in fields.items() if text}
    # Complete and in order, as the encoder writes them: the strict decoder reads such bytes once only.
    about = {
        name: given[name] if name in given else _ABSENT[name]
        for name in _PARTICULARS
        if name in given or name in _ABSENT
    }
    particulars = decode(msgspec.json.encode({"type": "subject", **about}), Subject, what="particulars")
    return decode(
        msgspec.json.encode(_request(given, agreement, asker, now)), Request, what="request"
    ), particulars


def _request(given: Mapping[str, Value], agreement: str, asker: Asker, now: datetime) -> dict[str, object]:
    return {
        "type": "request",
        "id": _ID,
        "subject": Subjects(agreement).request(asker.agency, _ID),
        "agreement": agreement,
        "agreement_digest": _NO_DIGEST,
        "agency": asker.agency,
        "officer": {"id": given.get("officer_id", ""), "unit": given.get("officer_unit", "")},
        "authorised_by": given.get("authorised_by", asker.authorised_by),
        "jurisdiction": given.get("jurisdiction", asker.jurisdiction),
        "ground": given.get("ground", ""),
        "statute": given.get("statute", ""),
        "tax_periods": given.get("tax_periods", []),
        "intended_use": given.get("intended_use", ""),
        "automated_analysis": given.get("automated_analysis", False),
        "issued_at": now,
        "expires_at": given.get("expires_at", now + VALID_FOR),
        "particulars": _UNSEALED,
    }


def _value(name: str, text: str) -> Value:
    if name in ("relief_pending", "wilfulness_attested"):
        if text not in _FLAGS:
            raise Malformed("neither true nor false", where=name)
        return _FLAGS[text]
    if name == "automated_analysis":
        return _FLAGS.get(text, text)
    if name == "tax_periods":
        if not _YEARS.match(text):
            raise Malformed("not years with ; between them as 2023;2024", where=name)
        return [int(year) for year in text.split(";")]
    return text
