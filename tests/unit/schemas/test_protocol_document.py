"""PROTOCOL.md agrees with the code: its constants, fields and example."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from glomar_schemas import keys, subjects
from glomar_schemas import publish as batch
from glomar_schemas.crypto import dsse as envelope
from glomar_schemas.crypto import sealing
from glomar_schemas.errors import (
    GlomarError,
    IntegrityError,
    Misconfigured,
    Refused,
    TimedOut,
    Unreachable,
)
from glomar_schemas.messages import (
    Ack,
    Answer,
    Control,
    Notice,
    Notices,
    Recall,
    Release,
    Request,
    Subject,
    Tags,
    Verdict,
)
from glomar_schemas.tlog import leaf as leaves
from glomar_schemas.tlog import policy

from tests.support import samples
from tests.support.vector_example import CHANNELS

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"
TEXT = (SCHEMAS / "PROTOCOL.md").read_text(encoding="utf-8")
ADDRESSES = subjects.Subjects("<agreement>")


def section(title: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}.*?\n(.*?)(?=^#|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, f"no section {title}"
    return found[1]


def table(title: str) -> dict[str, str]:
    """The first column of a section's table -> the second, without backquotes."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", section(title), re.MULTILINE)
    return {name.replace("`", ""): value.replace("`", "") for name, value in rows[2:]}


def listed(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))


def envelope_limit() -> int:
    schema = json.loads((SCHEMAS / "json/envelope.schema.json").read_bytes())
    most: int = schema["$defs"]["Envelope"]["properties"]["signatures"]["maxItems"]
    return most


CONSTANTS = {
    "largest message, headers and body together, bytes": str(subjects.MAX_MESSAGE_BYTES),
    "largest atomic batch, messages": str(subjects.MAX_BATCH),
    "largest notice or page of notices, bytes": str(subjects.MAX_NOTICE_BYTES),
    "first year of any date or time": str(subjects.FIRST_YEAR),
    "last year of any date or time": str(subjects.LAST_YEAR),
    "sizes of padded particulars, bytes": listed(sealing.PARTICULARS_SIZES),
    "sizes of a padded answer, bytes": listed(sealing.ANSWER_SIZES),
    "sizes of padded tags, bytes": listed(sealing.TAGS_SIZES),
    "sizes of a padded release, bytes": listed(sealing.RELEASE_SIZES),
    "signatures in an envelope, most": str(envelope_limit()),
    "cosignature ahead of the reader's clock, most, seconds": str(policy.MAX_CLOCK_SKEW_S),
    "HPKE info": sealing.Context("<direction>", "<agreement>", "<agency>").info().decode(),  # type: ignore[arg-type]
    "AES associated data": sealing.associated_data("<part>", "<request_id>").decode(),  # type: ignore[arg-type]
    "payloadType": envelope.payload_type(Request).replace("request", "<type>"),
    "payloadType of an agreement's signature": envelope.AGREEMENT_TYPE,
    "request subject": ADDRESSES.request("<agency>", "<request_id>"),
    "verdict subject": ADDRESSES.verdict("<agency>", "<request_id>"),
    "control subject": ADDRESSES.control("<n>"),
    "recall subject": ADDRESSES.recall("<agency>", "<request_id>"),
    "ack subject": ADDRESSES.ack("<agency>", "<request_id>"),
    "opening subject": ADDRESSES.opening().replace("opening.1", "opening.<incarnation>"),
    "release subject": ADDRESSES.release("<agency>", "<request_id>"),
    "result subject": ADDRESSES.result("<agency>"),
    "notice subject": ADDRESSES.notice("<agency>"),
    "notices subject": ADDRESSES.notices("<agency>"),
    "checkpoint subject": ADDRESSES.checkpoint(),
    "log origin": ADDRESSES.origin("<oversight>").replace(ADDRESSES.stream, "<stream>"),
    "trace header": subjects.TRACEPARENT,
    "type header": subjects.CE_TYPE,
    "err_code: the subject already holds a message": str(batch.SUBJECT_TAKEN),
    "err_code: the control slot that had to be empty is filled": str(batch.FENCE_STALE),
    "err_code: another fenced publish is in flight": str(batch.FENCE_BUSY),
}


def test_the_table_of_constants_is_that_of_the_code() -> None:
    assert table("Constants") == CONSTANTS


def test_every_stored_subject_is_in_the_table_of_subjects() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| yes \|", section("Stream and subjects"), re.MULTILINE)
    assert sorted(rows) == sorted(pattern.split(".")[2] for pattern in samples.SUBJECTS.stored())


def test_the_stream_of_the_example_has_its_name() -> None:
    assert f"`{samples.SUBJECTS.stream}`" in section("Stream and subjects")


@pytest.mark.parametrize("header", [subjects.BATCH_ID, subjects.BATCH_SEQUENCE, subjects.BATCH_COMMIT])
def test_the_headers_of_a_batch_are_named(header: str) -> None:
    assert header in section("Several at once")


def test_the_header_and_the_subjects_of_an_incarnation_are_named() -> None:
    assert f"{subjects.EXPECTED_LAST_SEQUENCE}: 0" in section("Ledger and receipt")
    assert ADDRESSES.retired().replace("retired.1", "retired.<incarnation>") in section("Stream and subjects")


@pytest.mark.parametrize("leaf", [leaves.Gap(7), leaves.Leaf(7, 0, "<subject>", bytes(32))])
def test_the_forms_of_a_leaf_are_those_of_the_code(leaf: leaves.Entry) -> None:
    written = leaves.encode(leaf).decode().replace("7", "<sequence>").replace("0" * 64, "<hex>")
    written = written.replace("1970-01-01T00:00:00.000000000Z", "YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ")
    form = re.sub(r'"time":"[^"]*"', '"time":"YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ"', written)
    assert f"    {form}\n" in section("Ledger and receipt")


@pytest.mark.parametrize("header", [subjects.EXPECTED_SEQUENCE, subjects.EXPECTED_SEQUENCE_SUBJECT])
def test_the_headers_of_the_fence_are_named(header: str) -> None:
    assert f"{header}: " in section("The fence")


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("request (`json", Request),
        ("subject (`json", Subject),
        ("verdict (`json", Verdict),
        ("answer (`json", Answer),
        ("tags (`json", Tags),
        ("control (`json", Control),
        ("release (`json", Release),
        ("recall (`json", Recall),
        ("ack (`json", Ack),
        ("notice (`json", Notice),
        ("notices (`json", Notices),
    ],
)
def test_every_field_of_a_message_is_explained(title: str, kind: Any) -> None:
    named = set(re.findall(r"`(\w+)`", section(title)))
    assert set(kind.__struct_encode_fields__) - named == set()


def test_every_action_of_a_control_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", section("control (`json")))
    assert set(get_args(Control.__annotations__["action"])) - named == set()


def test_every_use_of_a_key_is_named() -> None:
    assert set(get_args(keys.KeyUse)) - set(re.findall(r"`(\w+)`", section("Keys"))) == set()


def test_the_table_of_sealed_parts_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| [^|]+ \| `(\w+)` \|", section("Sealing"), re.MULTILINE)
    assert dict(rows) == {part: channel.context.direction for part, channel in CHANNELS.items()}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("1", GlomarError),
        ("2", Misconfigured),
        ("3", Refused),
        ("4", TimedOut),
        ("5", Unreachable),
        ("6", IntegrityError),
    ],
)
def test_the_exit_codes_are_those_of_the_errors(code: str, kind: type[GlomarError]) -> None:
    assert str(kind.exit_code) == code
    assert code in table("Exit codes")


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:json|vectors)/[\w.-]+)`", TEXT))
    named |= {f"vectors/{name}" for name in re.findall(r"`(\w+\.json)`", section("Worked example"))}
    assert named
    assert [name for name in sorted(named) if not (SCHEMAS / name).is_file()] == []


def test_the_worked_example_is_that_of_the_vectors() -> None:
    text = section("Worked example").replace("\n   ", " ")
    vectors = "".join(path.read_text() for path in sorted((SCHEMAS / "vectors").glob("*.json")))
    quoted = [
        quote for quote in re.findall(r"`([^`]+)`", text) if "irs-ice-2025" in quote or "audit." in quote
    ]
    assert len(quoted) >= 5
    for quote in quoted:
        fence = quote.startswith(subjects.EXPECTED_SEQUENCE_SUBJECT)
        assert quote.endswith(samples.SUBJECTS.control(2)) if fence else quote in vectors
