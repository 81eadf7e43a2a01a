"""Messages: what their fields accept, and that they are frozen, strict and named as published."""

import json
from typing import Any, get_args

import msgspec
import pytest
from glomar_schemas.crypto.sealing import ANSWER_SIZES, pad
from glomar_schemas.decoding import decode
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import (
    Answer,
    Control,
    Message,
    Request,
    ResultQuery,
    Sealed,
    Subject,
    Tags,
    Verdict,
    encode,
)

from tests.support import samples


def with_field(message: Any, name: str, value: object) -> bytes:
    return json.dumps({**json.loads(encode(message)), name: value}).encode()


def refuses(message: Any, name: str, value: object) -> None:
    with pytest.raises(Malformed):
        decode(with_field(message, name, value), type(message), what="message")


def accepts(message: Any, name: str, value: object) -> Any:
    return getattr(decode(with_field(message, name, value), type(message), what="message"), name)


@pytest.mark.parametrize("kind", Message.__subclasses__())
def test_every_message_is_frozen_strict_and_says_its_type(kind: type[Message]) -> None:
    config = kind.__struct_config__
    assert config.frozen and config.forbid_unknown_fields
    assert config.tag_field == "type" and isinstance(config.tag, str)


def test_no_two_messages_share_a_type() -> None:
    tags = [kind.__struct_config__.tag for kind in Message.__subclasses__()]
    assert len(set(tags)) == len(tags)


def test_a_message_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        samples.request().agency = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", sorted(set(json.loads(encode(samples.request()))) - {"type"}))
def test_no_field_of_a_request_may_be_left_out(name: str) -> None:
    tree = json.loads(encode(samples.request()))
    del tree[name]
    with pytest.raises(Malformed, match=f"missing required field `{name}`"):
        decode(json.dumps(tree).encode(), Request, what="request")


def test_particulars_may_be_left_out_since_the_conditions_judge_them() -> None:
    assert decode(b'{"type":"subject"}', Subject, what="subject") == Subject()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ""),
        ("id", "a.b"),
        ("agency", "ICE"),
        ("agreement_digest", "A" * 64),
        ("agreement_digest", "a" * 63),
        ("tax_periods", [1899]),
        ("tax_periods", ["2020"]),
        ("tax_periods", [2020] * 51),
        ("tax_periods", 2020),
        ("ground", "x" * 101),
        ("ground", None),
        ("automated_analysis", None),
        ("automated_analysis", 0),
        ("officer", "officer-1"),
        ("officer", {"unit": "x"}),
        ("officer", {"id": "x", "name": "y"}),
        ("issued_at", "2025-01-01T00:00:00"),
        ("issued_at", 1735689600),
        ("particulars", "c2VhbGVk"),
    ],
)
def test_a_request_refuses(name: str, value: object) -> None:
    refuses(samples.request(), name, value)


@pytest.mark.parametrize("value", [False, True, "notification-7"])
def test_automated_analysis_is_a_truth_value_or_the_id_of_a_notification(value: object) -> None:
    assert accepts(samples.request(), "automated_analysis", value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("final_order_date", "9999-12-31"),
        ("final_order_date", "0001-01-01"),
        ("final_order_date", ""),
        ("date_of_birth", "1984-02-30"),
        ("relief_pending", "false"),
        ("relief_pending", 0),
        ("reason", "x" * 2001),
        ("zip", 55811),
    ],
)
def test_particulars_refuse(name: str, value: object) -> None:
    refuses(samples.PERSON, name, value)


@pytest.mark.parametrize(
    "scope",
    ["all", "agency:ice", "jurisdiction:US-MN", "jurisdiction:District of Columbia", "person:" + "a" * 64],
)
def test_a_control_accepts_the_scope(scope: str) -> None:
    assert accepts(samples.control(), "scope", scope) == scope


@pytest.mark.parametrize(
    "scope",
    ["", "All", "all ", "agancy:ice", "agency:", "agency:ICE", "jurisdiction:", "person:xyz", "person:"],
)
def test_a_control_refuses_a_scope_that_would_hold_nothing(scope: str) -> None:
    refuses(samples.control(), "scope", scope)


@pytest.mark.parametrize("slot", [0, -1, 2**53, 1.5, "1"])
def test_a_control_refuses_the_slot(slot: object) -> None:
    refuses(samples.control(), "slot", slot)


def test_a_control_has_one_of_five_actions() -> None:
    actions = get_args(Control.__annotations__["action"])
    assert actions == ("agreement", "hold", "lift", "key", "shred")
    refuses(samples.control(), "action", "release")


@pytest.mark.parametrize("outcome", ["Confirm", "maybe", "", None, True])
def test_an_answer_confirms_or_denies_and_nothing_else(outcome: object) -> None:
    refuses(samples.CONFIRMED, "outcome", outcome)


@pytest.mark.parametrize("salt", ["", "AAAA", "A" * 24])
def test_an_answer_has_sixteen_bytes_of_salt(salt: str) -> None:
    refuses(samples.CONFIRMED, "salt", salt)


def test_confirm_and_deny_are_answers_of_one_length_once_padded() -> None:
    denied = Answer(outcome="deny", record_consulted=True, salt=samples.CONFIRMED.salt)
    assert len(pad(encode(denied), ANSWER_SIZES)) == len(pad(encode(samples.CONFIRMED), ANSWER_SIZES))


@pytest.mark.parametrize("tag", ["A" * 64, "g", "a" * 65, "Ada Example"])
def test_a_tag_is_lower_case_hex(tag: str) -> None:
    refuses(samples.TAGS, "person", tag)
    assert decode(b'{"type":"tags"}', Tags, what="tags") == Tags()


@pytest.mark.parametrize(
    ("name", "length"), [("wrap", 112), ("wrap", 114), ("nonce", 11), ("nonce", 13), ("nonce", 0)]
)
def test_a_sealed_part_has_fixed_lengths(name: str, length: int) -> None:
    with pytest.raises(Malformed):
        sealed = msgspec.structs.replace(samples.PLACEHOLDER, **{name: bytes(length)})
        decode(encode(sealed), Sealed, what="sealed")


@pytest.mark.parametrize("name", ["control_n"])
@pytest.mark.parametrize("value", [0, 2**53, True, "1"])
def test_a_verdict_refuses_the_slot(name: str, value: object) -> None:
    refuses(samples.verdict(b"", b""), name, value)


def test_a_verdict_is_about_a_request_by_digest() -> None:
    for digest in ("", "0" * 63, "G" * 64):
        refuses(samples.verdict(b"", b""), "request_digest", digest)


def test_encoding_is_compact_json_in_utf8() -> None:
    assert encode(ResultQuery(request_id="x")) == b'{"type":"result-query","request_id":"x"}'
    assert "Ångström".encode() in encode(Subject(last_name="Ångström"))


def test_times_are_written_with_an_offset() -> None:
    assert b'"decided_at":"2025-10-08T14:30:05Z"' in encode(samples.verdict(b"", b""))
    assert isinstance(samples.verdict(b"", b""), Verdict)
