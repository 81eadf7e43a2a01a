"""A row of a request file as the verifier reads it from the bus: the request and its particulars. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from glomar_schemas.agreement.model import Agreement
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Request, Sealed, Subject
from glomar_schemas.request_file import COLUMNS, Ask, Defaults, parse_ask, particulars_of, request_of
from glomar_schemas.subjects import Subjects
from msgspec import Struct

from glomar_verifier.readers.csv_rows import BLANK, FileRow, RowFault, read_rows

QUERY_COLUMNS = COLUMNS[COLUMNS.index("first_name") : COLUMNS.index("tax_periods") + 1]
"""The columns that the register is searched by."""

_MAX_CHARACTERS = 2_000
_UNSEALED = Sealed(key_id="0" * 32, wrap=bytes(113), nonce=bytes(12), ciphertext=b"")
_NO_DIGEST = "0" * 64
_REQUEST_ID = "offline"


class Requester(Struct, frozen=True):
    """The agency that sends the requests, and its defaults for empty columns."""

    agency: str
    defaults: Defaults = Defaults()


def default_requester(agreement: Agreement, agency: str = "") -> Requester:
    """The agreement's first requester, under its delegation that ends last. Raises Malformed."""
    agency = agency or agreement.requesters[0]
    if agency not in agreement.requesters:
        raise Malformed("not a requester of this agreement", where="--agency")
    granted = [each for each in agreement.delegations if each.agency == agency]
    delegation = max(granted, key=lambda each: each.valid_until).id if granted else ""
    return Requester(
        agency, Defaults(authorised_by=delegation, jurisdiction=agreement.allowed.jurisdictions[0])
    )


def read_request_rows(source: Path, required: tuple[str, ...] = ()) -> Iterator[FileRow | RowFault]:
    """Every row but blank lines. Raises as `read_rows`."""
    for row in read_rows(source, COLUMNS, required, max_characters=_MAX_CHARACTERS):
        if not (isinstance(row, RowFault) and row.what == BLANK):
            yield row


def read_request(
    fields: Mapping[str, str], agreement: str, requester: Requester, now: datetime
) -> tuple[Request, Subject]:
    """Raises Malformed, naming the column, for what the requester's service would not send."""
    ask = _read(fields)
    request = request_of(
        ask,
        _REQUEST_ID,
        Subjects(agreement),
        requester.agency,
        requester.defaults,
        agreement_digest=_NO_DIGEST,
        particulars=_UNSEALED,
        now=now,
    )
    return request, particulars_of(ask)


def read_query(fields: Mapping[str, str]) -> tuple[Subject, tuple[int, ...]]:
    """QUERY_COLUMNS of a row -> the particulars and the tax periods. Raises Malformed, naming the column."""
    ask = _read({column: fields.get(column, "") for column in QUERY_COLUMNS})
    if not ask.tax_periods:
        raise Malformed("no year", where="tax_periods", fix="Give the years, as 2023;2024")
    return particulars_of(ask), ask.tax_periods


def _read(fields: Mapping[str, str]) -> Ask:
    ask = parse_ask(fields)
    if isinstance(ask, Ask):
        return ask
    raise Malformed(ask[0].what, where=ask[0].field)
