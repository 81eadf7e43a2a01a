"""Policy files: what is read, errors with their line, and which witnesses meet a quorum."""

from itertools import combinations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_schemas.errors import GlomarError, Malformed, Misconfigured, Untrusted
from glomar_schemas.tlog.note import Checkpoint, format_vkey, sign
from glomar_schemas.tlog.policy import Policy, load_policy, parse_policy
from hypothesis import given
from hypothesis import strategies as st

from tests.support.witness import cosign, format_witness_vkey

ORIGIN = "audit.example/a/1"
LOG, OTHER_LOG, *PRIVATE = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(8))
LOG_LINE = f"log {format_vkey(ORIGIN, LOG.public_key())}"
NAMES = ("X1", "X2", "X3", "Y1", "Y2")
VKEYS = [
    format_witness_vkey(f"{name}.example", private.public_key())
    for name, private in zip(NAMES, PRIVATE, strict=False)
]
WITNESSES = [f"witness {name} {vkey}" for name, vkey in zip(NAMES, VKEYS, strict=True)]
NOTE = sign(Checkpoint(ORIGIN, 7, bytes(32)), LOG)
NOW = 1_800_000_000


def policy(*lines: str) -> Policy:
    return parse_policy("\n".join([*WITNESSES, *lines, ""]).encode())


def cosigned(*names: str, at: int = NOW, note: str = NOTE) -> str:
    lines = [cosign(note, PRIVATE[NAMES.index(name)], name=f"{name}.example", at=at) for name in names]
    return note + "".join(lines)


TWO_LEVELS = policy(
    "group X 2 X1 X2 X3",
    "group Y any Y1 Y2",
    "group both all X Y",
    "quorum both",
)


@pytest.mark.parametrize("names", [names for n in range(6) for names in combinations(NAMES, n)])
def test_the_quorum_of_the_published_example_counts_both_groups(names: tuple[str, ...]) -> None:
    wanted = len({"X1", "X2", "X3"} & {*names}) >= 2 and bool({"Y1", "Y2"} & {*names})
    found = TWO_LEVELS.check_quorum(cosigned(*names))
    assert (found.missing == "") is wanted
    assert found.times.keys() == {*names}


@pytest.mark.parametrize(("rule", "least"), [("any", 1), ("all", 3), ("1", 1), ("2", 2), ("3", 3)])
def test_a_threshold_is_any_all_or_a_number(rule: str, least: int) -> None:
    read = policy(f"group X {rule} X1 X2 X3", "quorum X")
    assert [read.quorum_met(NAMES[:n]) for n in range(4)] == [n >= least for n in range(4)]


def test_a_quorum_may_be_one_witness_or_none() -> None:
    assert policy("quorum X2").quorum_met(["X2"]) and not policy("quorum X2").quorum_met(["X1"])
    assert policy("quorum none").quorum_met([])


def test_comments_blanks_and_tabs_are_skipped() -> None:
    text = f"# ours\n\n \t\n\t{LOG_LINE}\t https://log.example \n  # more\n{WITNESSES[0]} https://w.example/x\nquorum\tX1"
    read = parse_policy(text.encode())
    assert [log.name for log in read.logs] == [ORIGIN]
    assert [(each.name, each.url) for each in read.witnesses] == [("X1", "https://w.example/x")]


def test_names_are_octets_and_need_not_be_utf8() -> None:
    data = b"witness \xff " + VKEYS[0].encode() + b"\nwitness \xfe " + VKEYS[1].encode() + b"\nquorum \xff\n"
    found = parse_policy(data).check_quorum(cosigned("X2"))
    assert found.times == {"\\xfe": NOW}
    assert found.missing


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("witnes A B", "log, witness, group or quorum"),
        ("log", "too few"),
        ("log a b c", "too many"),
        ("log nonsense", "name[+]keyid[+]key"),
        (f"log {VKEYS[0]}", "0x01"),
        (f"witness A {format_vkey(ORIGIN, LOG.public_key())}", "0x04"),
        (f"witness A {VKEYS[0]}", "earlier line has the same public key"),
        (
            f"witness A {format_witness_vkey('else.where', PRIVATE[0].public_key())}",
            "earlier line has the same public key",
        ),
        (f"witness none {format_witness_vkey('z', LOG.public_key())}", "taken"),
        (f"witness X1 {format_witness_vkey('z', LOG.public_key())}", "taken"),
        ("group X1 any X2", "taken"),
        ("group X any", "too few"),
        ("group X 0 X1", "threshold"),
        ("group X 02 X1 X2", "threshold"),
        ("group X some X1", "threshold"),
        ("group X 2 X1", "2 of 1"),
        ("group X any Z", "no earlier line"),
        ("group X any none", "no earlier line"),
        ("group X any X1 X1", "twice"),
        ("group X any X", "no earlier line"),
        ("quorum X9", "no earlier line"),
        ("quorum X1 X2", "too many"),
        ("quorum X\x0b1", "control"),
        ("quorum X1\r", "control"),
    ],
)
def test_a_mistake_is_named_with_its_line(line: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=what) as found:
        policy(line, "quorum none")
    assert found.value.where == f"line {len(WITNESSES) + 1}"
    assert "X9" not in str(found.value)
    (tmp_path / "policy").write_text("\n".join([*WITNESSES, line, ""]), newline="")
    with pytest.raises(Misconfigured, match=f"policy, line {len(WITNESSES) + 1}: "):
        load_policy(tmp_path / "policy")


def test_a_witness_may_be_in_one_group_only() -> None:
    with pytest.raises(Malformed, match="count twice"):
        policy("group A any X1 X2", "group B any X1 X3", "quorum A")


def test_there_is_exactly_one_quorum_line(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="missing"):
        policy()
    with pytest.raises(Malformed, match="second"):
        policy("quorum none", "quorum none")
    with pytest.raises(Misconfigured, match="can't be read"):
        load_policy(tmp_path / "absent")


def test_old_cosignatures_do_not_count_where_they_must_be_fresh() -> None:
    read = policy("quorum X1")
    note = cosigned("X1", at=NOW - 100)
    assert read.check_quorum(note).missing == ""
    assert read.check_quorum(note, now=NOW, max_age_s=100).missing == ""
    assert "too old: X1" in read.check_quorum(note, now=NOW, max_age_s=99).missing


def test_a_cosignature_from_the_future_does_not_count() -> None:
    read = policy("quorum X1")
    assert read.check_quorum(cosigned("X1", at=NOW + 300), now=NOW).missing == ""
    assert "future: X1" in read.check_quorum(cosigned("X1", at=NOW + 301), now=NOW).missing


def test_a_cosignature_that_does_not_hold_spoils_the_checkpoint() -> None:
    other = sign(Checkpoint(ORIGIN, 8, bytes(32)), LOG)
    forged = NOTE + cosigned("X1", note=other).removeprefix(other)
    with pytest.raises(Untrusted):
        policy("quorum none").check_quorum(forged)


def test_only_a_listed_log_opens() -> None:
    read = policy(f"log {format_vkey(ORIGIN, OTHER_LOG.public_key())}", LOG_LINE, "quorum none")
    assert read.open(NOTE).size == 7
    with pytest.raises(Untrusted, match="no log"):
        policy(LOG_LINE, "quorum none").open(sign(Checkpoint(ORIGIN, 7, bytes(32)), OTHER_LOG))


@given(st.binary(max_size=300))
def test_nothing_but_malformed_comes_of_any_bytes(data: bytes) -> None:
    try:
        parse_policy(data)
    except GlomarError as fault:
        assert isinstance(fault, Malformed)
