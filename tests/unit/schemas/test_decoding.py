"""The strict decoder: every silence of msgspec that matters to a signed protocol is a refusal here."""

import json
import unicodedata
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from glomar_schemas.crypto.dsse import Envelope
from glomar_schemas.decoding import decode, is_odd
from glomar_schemas.errors import Malformed
from glomar_schemas.messages import (
    Answer,
    Control,
    Moment,
    Release,
    Request,
    RequestId,
    ResultPending,
    ResultQuery,
    Sealed,
    Short,
    Subject,
    Tags,
    Token,
    Verdict,
    Year,
    encode,
)
from glomar_schemas.subjects import MAX_MESSAGE_BYTES
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta

from tests.support import samples

KINDS = (
    Answer, Control, Envelope, Release, Request, ResultPending, ResultQuery, Sealed, Subject, Tags, Verdict,
)  # fmt: skip

CANARY = "Zzyzxcanary"

VALID: list[tuple[type[Any], bytes]] = [
    (Request, encode(samples.request())),
    (Verdict, encode(samples.verdict(b"", b""))),
    (Control, encode(samples.control())),
    (Subject, encode(samples.PERSON)),
    (Answer, encode(samples.CONFIRMED)),
    (Tags, encode(samples.TAGS)),
    (Sealed, encode(samples.PLACEHOLDER)),
]


class Plain(msgspec.Struct, forbid_unknown_fields=True):
    """One field of each kind that a message may hold."""

    text: Short = ""
    token: Token = "a"
    number: Year = 2000
    moment: Moment | None = None
    day: date | None = None
    raw: bytes = b""
    inner: tuple[ResultQuery, ...] = ()


def refusal(raw: bytes, kind: type[Any] = Plain) -> str:
    with pytest.raises(Malformed) as caught:
        decode(raw, kind, what="message")
    return str(caught.value)


def accepted(text: str) -> Plain:
    return decode(text.encode(), Plain, what="message")


# What msgspec does alone. If an upgrade changes one of these, the guard beside it may go.


def test_msgspec_alone_takes_the_last_of_duplicate_keys() -> None:
    assert msgspec.json.decode(b'{"text":"a","text":"b"}', type=Plain).text == "b"


def test_msgspec_alone_accepts_a_message_without_its_type() -> None:
    assert msgspec.json.decode(b'{"request_id":"x"}', type=ResultQuery).request_id == "x"


def test_msgspec_alone_accepts_base64_with_stray_bits() -> None:
    assert msgspec.json.decode(b'{"raw":"QR=="}', type=Plain).raw == b"A"


def test_msgspec_alone_rounds_the_seventh_digit_of_a_second() -> None:
    read = msgspec.json.decode(b'{"moment":"2025-01-01T00:00:00.0000009Z"}', type=Plain)
    assert read.moment is not None and read.moment.microsecond == 1


def test_msgspec_alone_accepts_a_newline_after_a_dollar_pattern() -> None:
    loose = Annotated[str, Meta(pattern=r"^[a-z]+$")]
    assert msgspec.json.decode(rb'"a\n"', type=loose) == "a\n"


def test_msgspec_alone_takes_digits_of_other_scripts_for_digits() -> None:
    loose = Annotated[str, Meta(pattern=r"^\d+\Z")]
    assert msgspec.json.decode('"٣"', type=loose) == "٣"


def test_msgspec_alone_accepts_naive_datetimes_without_tz() -> None:
    assert msgspec.json.decode(b'"2025-01-01T00:00:00"', type=datetime).tzinfo is None


def test_msgspec_alone_accepts_unknown_fields_unless_forbidden() -> None:
    class Loose(msgspec.Struct):
        text: str

    assert msgspec.json.decode(b'{"text":"a","surprise":1}', type=Loose).text == "a"


def test_msgspec_alone_accepts_integers_and_decimals_of_any_size() -> None:
    assert msgspec.json.decode(b"9" * 50, type=int) == int("9" * 50)
    assert msgspec.json.decode(b'"1e999999999"', type=Decimal).adjusted() == 999_999_999


def test_msgspec_alone_accepts_invisible_characters() -> None:
    assert msgspec.json.decode(rb'"a\u0000\u202e"', type=str) == "a\0\u202e"


def test_msgspec_alone_raises_other_errors_than_its_own() -> None:
    with pytest.raises(UnicodeDecodeError):
        msgspec.json.decode(b'"\xff"', type=str)
    with pytest.raises(RecursionError):
        msgspec.json.decode(b"[" * 100_000)


def test_msgspec_alone_counts_length_in_code_points() -> None:
    assert len(msgspec.json.decode('"😀😀"', type=Annotated[str, Meta(max_length=2)]).encode()) == 8


def test_msgspec_alone_encodes_an_invalid_struct() -> None:
    assert encode(ResultQuery(request_id="not a token!")) == (
        b'{"type":"result-query","request_id":"not a token!"}'
    )


# What the decoder does.


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"text":"a","text":"b"}', id="plain"),
        pytest.param(rb'{"text":"a","te\u0078t":"b"}', id="spelt with an escape"),
        pytest.param(b'{"inner":[{"type":"result-query","request_id":"a","request_id":"b"}]}', id="nested"),
        pytest.param(b'{"text":"a","text":"a"}', id="with the same value"),
    ],
)
def test_duplicate_keys_are_refused(raw: bytes) -> None:
    assert "duplicate key" in refusal(raw)


def test_unknown_fields_are_refused() -> None:
    assert "unknown field" in refusal(b'{"surprise":1}')


def test_a_message_must_state_its_type() -> None:
    assert "missing required field `type`" in refusal(b'{"request_id":"x"}', ResultQuery)


def test_a_nested_message_must_state_its_type() -> None:
    assert refusal(b'{"inner":[{"request_id":"x"}]}').endswith(
        "missing required field `type` at `$.inner[0]`"
    )


def test_a_message_of_another_type_is_refused() -> None:
    assert "Invalid value" in refusal(encode(ResultPending(request_id="x")), ResultQuery)


def test_a_missing_field_is_named() -> None:
    assert "missing required field `request_id`" in refusal(b'{"type":"result-query"}', ResultQuery)


@pytest.mark.parametrize(
    "raw", [b"\xff", b'{"text":"\xc3"}', b'{"text":"\xed\xa0\x80"}', "\ufeff{}".encode()]
)
def test_what_is_not_utf8_json_is_refused(raw: bytes) -> None:
    assert refusal(raw) == "message: not valid JSON in UTF-8"


@pytest.mark.parametrize("raw", [b"", b"{", b"{}{}", b"{'text':1}", b'{"text":"a",}', b"\x00", b"{} x"])
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    assert refusal(raw) == "message: not valid JSON in UTF-8"


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"5", b"true"])
def test_json_that_is_no_object_is_refused(raw: bytes) -> None:
    assert "Expected `object`" in refusal(raw)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_know_are_refused(number: bytes) -> None:
    assert "not JSON" in refusal(b'{"number":' + number + b"}")


@pytest.mark.parametrize("depth", [200, 1_000, 30_000])
@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"text":', b"}")])
def test_deep_nesting_is_refused(depth: int, left: bytes, right: bytes) -> None:
    raw = left * depth + b"1" + right * depth
    with pytest.raises(Malformed):
        decode(raw, Plain, what="message", max_bytes=len(raw))


def test_size_is_checked_before_anything_is_parsed() -> None:
    assert "larger than 65536 bytes" in refusal(b"{" * (MAX_MESSAGE_BYTES + 1))
    assert accepted("{}" + " " * (MAX_MESSAGE_BYTES - 2)) == Plain()


@pytest.mark.parametrize(
    "raw", ["1899", "2201", "-1", "2000.0", "2e3", '"2000"', "true", "9" * 50, "9" * 5000, "1e400"]
)
def test_integers_must_be_integers_in_range(raw: str) -> None:
    refusal(b'{"number":' + raw.encode() + b"}")


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("2025-01-01T00:00:00", id="naive"),
        pytest.param("2025-01-01 00:00:00Z", id="space"),
        pytest.param("2025-01-01t00:00:00Z", id="lower-case t"),
        pytest.param("2025-01-01T00:00:00z", id="lower-case z"),
        pytest.param("2025-01-01T00:00:00+0000", id="offset without colon"),
        pytest.param("2025-01-01T00:00:00.1234567Z", id="seven digits"),
        pytest.param("2025-01-01T24:00:00Z", id="hour 24"),
        pytest.param("2025-01-01T23:59:60Z", id="leap second"),
        pytest.param("2025-02-30T00:00:00Z", id="no such day"),
        pytest.param("0001-01-01T00:00:00+14:00", id="before all calendars"),
        pytest.param("9999-12-31T23:59:59-14:00", id="after all calendars"),
        pytest.param("1899-12-31T23:59:59Z", id="1899"),
    ],
)
def test_times_that_are_naive_loose_or_out_of_range_are_refused(moment: str) -> None:
    assert moment not in refusal(json.dumps({"moment": moment}).encode())


@pytest.mark.parametrize(
    "moment", ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00.5Z", "2025-01-01T00:00:00.000+02:00"]
)
def test_rfc_3339_times_are_accepted(moment: str) -> None:
    assert accepted(json.dumps({"moment": moment})).moment is not None


@pytest.mark.parametrize(
    "day", ["2025-1-1", "20250101", "2025-02-29", "0001-01-01", "2201-01-01", "2025-01-01T00:00:00Z"]
)
def test_dates_that_are_loose_or_out_of_range_are_refused(day: str) -> None:
    refusal(json.dumps({"day": day}).encode())


@pytest.mark.parametrize("text", ["QR==", "QUJ=", "QQ", "QQ=", "-_-_", "QQ==QQ==", "Q Q=", "=QQ=", "Q==="])
def test_base64_has_one_spelling(text: str) -> None:
    refusal(json.dumps({"raw": text}).encode())


@pytest.mark.parametrize(
    "character",
    [
        "\x00",
        "\n",
        "\t",
        "\x1b",
        "\x7f",
        "\x85",
        "\u00ad",
        "\u200b",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\U000e0041",
    ],
)
@pytest.mark.parametrize("as_escape", [True, False])
def test_control_and_invisible_characters_are_refused(character: str, as_escape: bool) -> None:
    raw = json.dumps({"text": f"a{character}b"}, ensure_ascii=as_escape).encode()
    refusal(raw)


def test_a_lone_surrogate_is_refused() -> None:
    refusal(rb'{"text":"\ud800"}')
    refusal(rb'{"text":"\udc00\ud800"}')


def test_an_odd_character_in_a_field_name_is_refused() -> None:
    refusal('{"te\u200bxt":"a"}'.encode())


@pytest.mark.parametrize("text", ["Søren Ångström", "李小龍", "😀", "O'Brien-\\\"", "a\u2019b", "नमस्ते"])
@pytest.mark.parametrize("as_escape", [True, False])
def test_letters_of_every_script_are_accepted(text: str, as_escape: bool) -> None:
    assert accepted(json.dumps({"text": text}, ensure_ascii=as_escape)).text == text


def test_length_is_counted_in_code_points() -> None:
    assert len(accepted(json.dumps({"text": "😀" * 100})).text) == 100
    refusal(json.dumps({"text": "😀" * 101}).encode())


@pytest.mark.parametrize("token", ["", "A", "a.b", "a*", "a>", "-a", "a" * 64, "é", "٣", "a b", "a\\n"])
def test_a_token_is_lower_case_letters_digits_and_hyphens(token: str) -> None:
    refusal(f'{{"token":"{token}"}}'.encode())


@pytest.mark.parametrize("value", ["", "a.b", "*", ">", "a b", "é", "x" * 65, "a\\n"])
def test_a_request_id_is_one_safe_subject_token(value: str) -> None:
    refusal(f'{{"type":"result-query","request_id":"{value}"}}'.encode(), ResultQuery)


def test_patterns_hold_inside_tuples_too() -> None:
    refusal(
        b'{"inner":[{"type":"result-query","request_id":"a"},{"type":"result-query","request_id":"a.b"}]}'
    )


# Errors quote nothing.


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"{CANARY}":1}}',
        f'{{"x - at {CANARY}":1}}',
        f'{{"x` - at `$.{CANARY}":1}}',
        f'{{"text":"a","{CANARY}":1,"{CANARY}":2}}',
        f'{{"token":"{CANARY}"}}',
        f'{{"number":"{CANARY}"}}',
        f'{{"moment":"{CANARY}"}}',
        f'{{"day":"{CANARY}"}}',
        f'{{"raw":"{CANARY}"}}',
        f'{{"inner":[{{"type":"{CANARY}"}}]}}',
        f'{{"inner":[{{"type":"x\' - at `$.{CANARY}`"}}]}}',
        f'{{"inner":[{{"type":"result-query","request_id":"x","{CANARY}":1}}]}}',
        f'{{"text":"{CANARY}',
        f'{{"text":"{CANARY}\\u0000"}}',
        f'{{"text":"{CANARY * 10}"}}',
        CANARY,
    ],
)
def test_no_error_quotes_the_input(raw: str) -> None:
    assert CANARY not in refusal(raw.encode())


def test_no_error_quotes_a_wrong_enum_value() -> None:
    raw = encode(samples.control()).replace(
        b'"action":"agreement"', b'"action":"x - at `$.%s`"' % CANARY.encode()
    )
    assert refusal(raw, Control) == "message: Invalid enum value at `$.action`"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(raw=st.binary(max_size=200), kind=st.sampled_from(KINDS))
@example(raw=b"[" * 200_000, kind=Envelope)
def test_arbitrary_bytes_raise_nothing_but_malformed(raw: bytes, kind: type[Any]) -> None:
    with suppress(Malformed):
        decode(raw, kind, what="message")


@given(sample=st.sampled_from(VALID), data=st.data())
def test_a_damaged_message_raises_nothing_but_malformed(
    sample: tuple[type[Any], bytes], data: st.DataObject
) -> None:
    kind, raw = sample
    at = data.draw(st.integers(0, len(raw) - 1))
    cut = data.draw(st.integers(0, 3))
    damaged = raw[:at] + data.draw(st.binary(max_size=4)) + raw[at + cut :]
    with suppress(Malformed):
        decode(damaged, kind, what="message")


@given(sample=st.sampled_from(VALID), data=st.data())
def test_a_wrong_value_in_any_field_is_refused_without_being_quoted(
    sample: tuple[type[Any], bytes], data: st.DataObject
) -> None:
    kind, raw = sample
    tree = json.loads(raw)
    field = data.draw(st.sampled_from(sorted(tree)))
    noise = data.draw(st.text(alphabet="`' -.$[]at", max_size=12))
    # "%" is in no base64: without it the long text is a ciphertext as good as any.
    long = f"{noise}%{CANARY * 300}"
    tree[field] = data.draw(
        st.sampled_from([[CANARY], {CANARY: 1}, long, {noise + CANARY: CANARY}, [{CANARY: CANARY}]])
    )
    assert CANARY not in refusal(json.dumps(tree).encode(), kind)


@given(sample=st.sampled_from(VALID), value=json_values, name=st.text(min_size=1))
def test_an_added_field_is_always_refused(sample: tuple[type[Any], bytes], value: object, name: str) -> None:
    kind, raw = sample
    tree = json.loads(raw)
    if name not in tree:
        with pytest.raises(Malformed):
            decode(json.dumps({**tree, name: value}).encode(), kind, what="message", max_bytes=10**6)


@pytest.mark.parametrize(("kind", "raw"), VALID)
def test_a_valid_message_comes_back_the_same(kind: type[Any], raw: bytes) -> None:
    assert encode(decode(raw, kind, what="message")) == raw


@given(st.text())
def test_is_odd_agrees_with_unicode(text: str) -> None:
    assert is_odd(text) == any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in text)


def test_a_request_id_pattern_is_anchored_at_both_ends() -> None:
    for text in ("x\n", "\nx", " x"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, RequestId)
