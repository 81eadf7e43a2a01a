"""A row that `match` reads is one that the requester would have sent, and says the same."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from glomar_evaluation.synth import people, requests
from glomar_schemas.agreement.model import parse_agreement
from glomar_schemas.agreement.versions import bundled_agreement
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import Request, Subject, encode
from glomar_schemas.request_file import COLUMNS, Ask, Defaults, parse_ask
from glomar_verifier.offline.decide_file import Decision, FileDecider, decisions
from glomar_verifier.offline.request_row import Requester, default_requester, read_request

from tests.support.registers import ANA, RULES, opened

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
REQUESTER = Requester("dhs-ice", Defaults(authorised_by="D-1", jurisdiction="J-1"))

[GOOD] = requests(people(1, 1), 1, 1, date(2025, 6, 1))
FIELDS = {column: GOOD[column] for column in COLUMNS}

CHANGES: list[dict[str, str]] = [
    {},
    {"expires_at": "2025-06-02T00:00:00Z", "automated_analysis": "true", "officer_unit": "U"},
    {"automated_analysis": "N-17"},
    {"first_name": "", "zip": ""},
    {"date_of_birth": "1980-2-3"},
    {"date_of_birth": "19800203"},
    {"date_of_birth": "1980-02-30"},
    {"date_of_birth": "0900-01-01"},
    {"final_order_date": "yesterday"},
    {"tax_periods": "2023,2024"},
    {"tax_periods": "2023;"},
    {"tax_periods": "23"},
    {"tax_periods": "0023"},
    {"tax_periods": ";".join(["2023"] * 51)},
    {"relief_pending": "TRUE"},
    {"wilfulness_attested": "1"},
    {"expires_at": "2025-06-02"},
    {"expires_at": "2025-06-02 00:00:00Z"},
    {"first_name": "x" * 101},
    {"street_name": "x" * 201},
    {"reason": "x" * 2001},
    {"reason": "x" * 2000},
    {"last_name": "Lo\u200bpez"},
    {"reference": "x" * 101},
    {"reference": "R\u200b1"},
    {"automated_analysis": "x" * 101},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_the_requester_would_not_send_is_not_read(change: dict[str, str]) -> None:
    sent = parse_ask(FIELDS | change)
    try:
        request, about = read_request(FIELDS | change, "irs-ice-2025", REQUESTER, NOW)
    except Malformed:
        assert not isinstance(sent, Ask)
    else:
        assert isinstance(sent, Ask), sent
        assert decode(encode(request), Request, what="request") == request
        assert decode(encode(about), Subject, what="particulars") == about


def test_request_and_particulars_say_what_the_row_says() -> None:
    request, about = read_request(FIELDS | {"jurisdiction": "J-2"}, "irs-ice-2025", REQUESTER, NOW)
    assert (about.first_name, about.zip, about.reason) == (GOOD["first_name"], GOOD["zip"], GOOD["reason"])
    assert (request.agency, request.authorised_by, request.jurisdiction) == ("dhs-ice", "D-1", "J-2")
    assert (request.officer.id, request.tax_periods) == (GOOD["officer_id"], (2023, 2024))


def test_rows_that_can_not_be_read_are_rejected_and_the_others_decided(tmp_path: Path) -> None:
    law = parse_agreement(bundled_agreement().read_bytes(), where="agreement")
    register = opened(tmp_path, [ANA])
    decider = FileDecider(register, RULES, law, default_requester(law), None)
    ana = FIELDS | {column: ANA[column] for column in FIELDS if column in ANA} | {"reference": "R-1"}
    lines = [
        ",".join(COLUMNS),
        _line(ana),
        "",
        "R-2,Ana",
        _line(ana | {"date_of_birth": "1.2.3"}),
        _line(ana),
    ]
    source = tmp_path / "requests.csv"
    source.write_text("\n".join(lines) + "\n")
    found = list(decisions(source, decider, NOW))
    assert [decision for decision, _ in found] == [
        Decision("R-1", "confirm"),
        Decision("", "rejected"),
        Decision("R-1", "rejected"),
        Decision("R-1", "confirm"),
    ]
    assert [fault.line for _, fault in found if fault] == [4, 5]
    register.close()


def _line(fields: dict[str, str]) -> str:
    return ",".join(f'"{value}"' for value in fields.values())
