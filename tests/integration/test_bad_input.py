"""Every command with bad input: one clear line, the documented exit code, no personal data (G11).

Exit codes are those of glomar_runtime/cli.py: 2 usage or settings, 3 refused, 5 unreachable, 6 integrity.
"""

import os
import shutil
import socket
import sqlite3
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import nkeys
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from glomar_auditor.ledger.ledger import Ledger
from glomar_local import ports
from glomar_local.demo import population
from glomar_local.layout import Layout
from glomar_local.ports import HOST
from glomar_local.provision.credentials import official
from glomar_local.provision.provision import provision
from glomar_schemas.agreement.model import load_trust, sign_agreement
from glomar_schemas.agreement.versions import load_versions
from glomar_schemas.crypto.dsse import Signer
from glomar_schemas.keys import generate, read_signing_key, write_private
from glomar_schemas.request_file import COLUMNS, Ask
from glomar_schemas.subjects import Subjects
from glomar_schemas.tlog.leaf import Leaf
from glomar_schemas.tlog.note import format_vkey
from glomar_verifier.register.lookup import RegisterMeta

from tests.support.commands import run
from tests.support.running_system import RunningSystem
from tests.support.service_processes import plain_lines

USAGE, REFUSED, UNREACHABLE, INTEGRITY = 2, 3, 5, 6

PERSON = "Zebulon Quackenbush-Ipsden"
FIRST, LAST = PERSON.split()
"""Names in these files; no message may contain one."""

SERVICES = ("auditor", "verifier", "requester")
COMMANDS = (*SERVICES, "submit")
"""The `serve` commands and `glomar-requester submit`."""


def require_error_line(ended: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    lines = plain_lines(ended.stderr)
    assert "Traceback" not in ended.stderr + ended.stdout, ended.stderr
    assert "frames" not in ended.stderr, f"logged as an exception: {ended.stderr}"
    assert len(lines) == 1, lines
    assert ended.returncode == code, lines
    for word in words:
        assert word in lines[0], lines
    for secret in (FIRST, LAST):
        assert secret not in ended.stderr + ended.stdout


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A provisioned data directory, from which each test takes a copy."""
    layout = Layout(tmp_path_factory.mktemp("template").resolve() / "data")
    made = provision(layout, ports.free())
    population.make_register(layout, made.agreement, None)
    return layout


@pytest.fixture
def layout(template: Layout, tmp_path: Path) -> Layout:
    """A data directory that the test may damage."""
    shutil.copytree(template.root, tmp_path / "data")
    return Layout((tmp_path / "data").resolve())


def start(layout: Layout, command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs one of COMMANDS on a data directory without running processes; it must end."""
    if command != "submit":
        return run(f"glomar-{command}", "serve", "--config", str(layout.settings(command)), **settings)
    file = layout.root / "requests.csv"
    file.write_text(header(), encoding="utf-8")
    config = str(layout.settings("requester"))
    return run("glomar-requester", "submit", str(file), "--config", config, **settings)


def header() -> str:
    return ",".join(COLUMNS) + "\n"


def row(**fields: str) -> str:
    return ",".join(fields.get(column, "") for column in COLUMNS) + "\n"


# Request files


@pytest.fixture
def submit(system: RunningSystem, tmp_path: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Runs `submit` on the shared system, with a store of the test's own."""

    def run_submit(file: Path) -> subprocess.CompletedProcess[str]:
        config = str(system.layout.settings("requester"))
        return run("glomar-requester", "submit", str(file), "--config", config, store=str(tmp_path / "s.db"))

    return run_submit


Submit = Callable[[Path], subprocess.CompletedProcess[str]]

BAD_FILES: dict[str, tuple[bytes, str]] = {
    "an unknown column": (f"reference,{FIRST}\n1,{LAST}\n".encode(), "line 1: column 2 is unknown"),
    "no header": (row(first_name=FIRST, last_name=LAST).encode(), "line 1: column 1 is unknown"),
    "a repeated column": (b"reference,reference\n", "line 1: column 2 repeats reference"),
    "100,000 columns": (",".join(f"c{n}" for n in range(100_000)).encode(), "more than 200 columns"),
    "Latin-1": (
        (header() + row(first_name=FIRST, last_name=LAST + "ß")).encode("latin-1"),
        "line 2: not UTF-8",
    ),
    "UTF-16": ((header() + row(first_name=FIRST)).encode("utf-16"), "not UTF-8"),
    "nothing": (b"", "no header row"),
    "only blanks": (b"\n\n\n", "no header row"),
    "zeros": (bytes(4096), "line 1"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(range(256)) * 20, "not UTF-8"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_request_file_is_refused(submit: Submit, tmp_path: Path, case: str) -> None:
    content, words = BAD_FILES[case]
    file = tmp_path / "requests.csv"
    file.write_bytes(content)

    require_error_line(submit(file), REFUSED, str(file), words)


def test_a_missing_file_and_a_directory_are_reported(submit: Submit, tmp_path: Path) -> None:
    require_error_line(submit(tmp_path / "nowhere.csv"), USAGE, "nowhere.csv", "No such file")
    require_error_line(submit(tmp_path), USAGE, str(tmp_path), "Is a directory")


def test_bad_rows_are_reported_by_line_and_the_other_rows_are_sent(submit: Submit, tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    bad = [
        row(reference="1", first_name=FIRST, date_of_birth="31.12.1980"),
        row(reference="2", first_name=FIRST + "\u202e"),
        row(reference="3", last_name=LAST * 100),
        row(reference="4", first_name=f'"{FIRST}'),
        FIRST + "\n",
        row(reference="6", tax_periods="last year", relief_pending="perhaps"),
        FIRST * 20_000 + "\n",
    ]
    file.write_text(header() + "".join(bad) + row(reference="8", first_name=FIRST), encoding="utf-8")

    ended = submit(file)

    lines = plain_lines(ended.stderr)
    assert ended.returncode == 0, lines
    assert [line.split(": ")[1] for line in lines] == [f"line {number}" for number in range(2, 9)]
    assert "tax_periods" in lines[5] and "relief_pending" in lines[5]
    assert FIRST not in ended.stderr + ended.stdout and LAST not in ended.stderr + ended.stdout
    assert [line.split(",")[2] for line in ended.stdout.splitlines()[1:]] == ["rejected"] * 7 + ["unanswered"]


def test_results_that_can_not_be_written_are_reported(system: RunningSystem, tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    file.write_text(header(), encoding="utf-8")
    for out in (tmp_path / "nowhere" / "results.csv", tmp_path):
        ended = run(
            *("glomar-requester", "submit", str(file), "--out", str(out)),
            *("--config", str(system.layout.settings("requester"))),
            store=str(tmp_path / "s.db"),
        )
        require_error_line(ended, USAGE, str(out))


# Keys

KEYS = {
    "auditor": ("nkey", "sealing_key", "ledger_key"),
    "verifier": ("nkey", "signing_key", "epochs", "tag_key"),
    "requester": ("nkey", "signing_key", "sealing_key", "token"),
    "submit": ("nkey", "signing_key", "sealing_key"),
}


def is_missing(path: Path) -> None:
    path.unlink()


def is_open_to_others(path: Path) -> None:
    path.chmod(0o644)


def is_garbage(path: Path) -> None:
    path.write_bytes(b"\xff\x00garbage" * 3)


def is_empty(path: Path) -> None:
    path.write_bytes(b"")


def is_of_another_kind(path: Path) -> None:
    """A sealing key for a signing key and the reverse; an account's nkey for a user's."""
    path.unlink()
    if path.suffix == ".nk":
        path.touch(0o600)
        path.write_bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_ACCOUNT))
    else:
        write_private(path, generate("sign" if ".seal" in path.name else "seal"))


ANY_BYTES = ("tag_key", "token")
"""Any content is valid, so only a missing, open or empty file is reported."""
MAY_BE_MISSING = ("epochs",)
"""Only the controls on the bus say which of these files are needed."""
DAMAGES: Sequence[Callable[[Path], None]] = (
    is_missing,
    is_open_to_others,
    is_garbage,
    is_empty,
    is_of_another_kind,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize(("command", "setting"), [(c, setting) for c in COMMANDS for setting in KEYS[c]])
def test_a_key_file_that_can_not_be_used_is_reported(
    system: RunningSystem, layout: Layout, command: str, setting: str, damage: Callable[[Path], None]
) -> None:
    if setting in ANY_BYTES and damage in (is_garbage, is_of_another_kind):
        return
    if setting in MAY_BE_MISSING and damage is is_missing:
        return
    path = layout.root / configured(layout, command)[setting]
    damaged = key_file(path)
    damage(damaged)

    ended = start(layout, command, url=f"nats://{HOST}:{system.ports.bus}")

    # If a pattern matches no file, the error names the pattern.
    require_error_line(ended, USAGE, str(damaged if damaged.exists() or path.is_dir() else path))


def key_file(setting: Path) -> Path:
    """The one file of a setting, which is a file, a directory or a pattern."""
    [found] = setting.iterdir() if setting.is_dir() else setting.parent.glob(setting.name)
    return found


def configured(layout: Layout, command: str) -> dict[str, str]:
    text = layout.settings("requester" if command == "submit" else command).read_text()
    return {name: str(value) for name, value in tomllib.loads(text).items()}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_nkey_that_the_bus_does_not_know_is_reported(
    system: RunningSystem, layout: Layout, command: str
) -> None:
    url = f"nats://{HOST}:{system.ports.bus}"

    require_error_line(start(layout, command, url=url), UNREACHABLE, url, "does it know this nkey")


# Agreement and trust


def sign(layout: Layout, signers: Sequence[Signer]) -> None:
    layout.signatures.write_bytes(sign_agreement(layout.agreement.read_bytes(), list(signers)))


def is_unsigned(layout: Layout) -> None:
    layout.signatures.write_bytes(b"[]")


def has_no_signature_file(layout: Layout) -> None:
    layout.signatures.unlink()


def is_altered(layout: Layout) -> None:
    text = bytearray(layout.agreement.read_bytes())
    text[text.index(b"title = ") + 12] ^= 0x20
    layout.agreement.write_bytes(text)


def is_signed_by_the_wrong_party(layout: Layout) -> None:
    sign(layout, [official(layout, party) for party in ("irs", "tigta")])


def is_signed_by_an_unknown_key(layout: Layout) -> None:
    sign(layout, [official(layout, "irs"), Signer(Ed25519PrivateKey.generate())])


def has_expired(layout: Layout) -> None:
    lines = layout.agreement.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("valid_until = "))
    lines[place] = "valid_until = 2025-06-01T00:00:00Z"
    layout.agreement.write_text("\n".join(lines))
    sign(layout, [official(layout, party) for party in ("irs", "ice")])


def is_not_toml(layout: Layout) -> None:
    layout.agreement.write_bytes(b"\xff\xfe{")


def has_no_trust_file(layout: Layout) -> None:
    layout.trust.unlink()


def has_a_trust_file_of_nonsense(layout: Layout) -> None:
    layout.trust.write_text('irs = "AAAA"\n')


def has_a_trust_file_without_the_holder(layout: Layout) -> None:
    layout.trust.write_text("\n".join(x for x in layout.trust.read_text().splitlines() if "irs" not in x))


AGREEMENTS: dict[Callable[[Layout], None], tuple[int, str]] = {
    is_unsigned: (REFUSED, "not signed by the official of irs"),
    has_no_signature_file: (USAGE, "agreement.toml.sig: can't be read"),
    is_altered: (REFUSED, "does not match the file"),
    is_signed_by_the_wrong_party: (REFUSED, "not signed by the official of ice"),
    is_signed_by_an_unknown_key: (REFUSED, "not signed by the official of ice"),
    is_not_toml: (REFUSED, "not UTF-8"),
    has_no_trust_file: (USAGE, "trust.toml: can't be read"),
    has_a_trust_file_of_nonsense: (USAGE, "trust.toml: irs"),
    has_a_trust_file_without_the_holder: (REFUSED, "no official of irs"),
}


@pytest.mark.parametrize("damage", AGREEMENTS, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_service_starts_with_an_invalid_agreement(
    layout: Layout, command: str, damage: Callable[[Layout], None]
) -> None:
    damage(layout)
    code, words = AGREEMENTS[damage]

    require_error_line(start(layout, command), code, words)


def test_nothing_is_decided_under_an_expired_agreement(layout: Layout) -> None:
    has_expired(layout)

    require_error_line(start(layout, "verifier"), REFUSED, "not in force now", "2025-06-01")


# Settings


def add(line: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        name = line.partition(" ")[0]
        others = [each for each in path.read_text().splitlines() if not each.startswith(f"{name} ")]
        path.write_text("\n".join([*others, line]))

    return damage


def leave_out_the_agreement(path: Path) -> None:
    path.write_text("\n".join(each for each in path.read_text().splitlines() if "agreement" not in each))


def replace_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


SETTINGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (is_missing, "No such file"),
    "a directory": (replace_by_a_directory, "Is a directory"),
    "not UTF-8": (is_garbage, "not TOML"),
    "not TOML": (add("url == = 3"), "not TOML"),
    "unknown field": (add("htp_port = 1"), "htp_port"),
    "wrong type": (add('http_port = "abc"'), "http_port"),
    "a table for a path": (add("nkey = {a = 1}"), "nkey"),
    "a number for a path": (add("nkey = 7"), "nkey"),
    "field left out": (leave_out_the_agreement, "agreement"),
    "a port too large": (add("http_port = 99999"), "http_port"),
    "a negative port": (add("http_port = -1"), "http_port"),
    "not a url": (add('url = "over there"'), "url"),
    "a url with an invalid port": (add('url = "nats://127.0.0.1:notaport"'), "url"),
    "another protocol": (add('url = "ftp://127.0.0.1:21"'), "url"),
    "a negative time": (add("disconnected_limit_s = -1"), "disconnected_limit_s"),
    "incarnation 0": (add("incarnation = 0"), "incarnation"),
}


SETTINGS_CASES = [("submit", case) for case in SETTINGS] + [(s, "unknown field") for s in SERVICES]
"""One function reads all settings; one case shows that each service calls it."""


@pytest.mark.parametrize(("command", "case"), SETTINGS_CASES)
def test_invalid_settings_are_reported(layout: Layout, command: str, case: str) -> None:
    damage, words = SETTINGS[case]
    path = layout.settings("requester" if command == "submit" else command)
    damage(path)

    require_error_line(start(layout, command), USAGE, str(path), words)


@pytest.mark.parametrize("service", SERVICES)
def test_an_environment_variable_that_is_wrong_is_reported(layout: Layout, service: str) -> None:
    require_error_line(start(layout, service, http_port="many"), USAGE, "http_port", "GLOMAR_*")


@pytest.mark.parametrize("arguments", [(), ("serve", "--nonsense"), ("nonsense",)])
@pytest.mark.parametrize("service", SERVICES)
def test_a_mistyped_command_is_usage_and_no_traceback(service: str, arguments: tuple[str, ...]) -> None:
    ended = run(f"glomar-{service}", *arguments)

    assert "Traceback" not in ended.stderr
    assert ended.returncode == (USAGE if arguments else 0), ended.stderr


# Ports, files and directories


@pytest.fixture(scope="module")
def second_layout(system: RunningSystem, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The shared system's files without stream and ledger: a second service can be started on them."""
    root = tmp_path_factory.mktemp("second_layout") / "data"
    shutil.copytree(system.layout.root, root, ignore=shutil.ignore_patterns("nats", "ledger"))
    return Layout(root.resolve())


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("service", SERVICES)
def test_a_port_that_is_taken_is_reported(second_layout: Layout, service: str) -> None:
    with taken_port() as port:
        ended = start(second_layout, service, http_port=str(port))

    require_error_line(ended, UNREACHABLE, f"{HOST}:{port}", "already in use", "http_port")


@pytest.mark.parametrize("service", SERVICES)
def test_an_address_that_is_not_ours_is_reported(second_layout: Layout, service: str) -> None:
    ended = start(second_layout, service, http_host="192.0.2.1")

    require_error_line(ended, UNREACHABLE, "192.0.2.1")


def is_cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def is_another_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE block (key64 INTEGER)")


def has_other_rules(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        (content,) = database.execute("SELECT content FROM meta").fetchone()
        meta = msgspec.msgpack.decode(content, type=RegisterMeta)
        info = msgspec.structs.replace(meta.info, rules_digest="0" * 64)
        other = msgspec.msgpack.encode(msgspec.structs.replace(meta, info=info))
        database.execute("UPDATE meta SET content = ?", (other,))


def lacks_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM spell WHERE id > 10")


REGISTERS: dict[Callable[[Path], None], tuple[int, str]] = {
    is_missing: (USAGE, "no readable register"),
    is_empty: (USAGE, "not a register file"),
    is_garbage: (USAGE, "not a register file"),
    is_cut_short: (INTEGRITY, "truncated"),
    is_another_database: (USAGE, "not a register"),
    has_other_rules: (USAGE, "other rules"),
    lacks_rows: (INTEGRITY, "rows are missing"),
    replace_by_a_directory: (USAGE, "no readable register"),
}


@pytest.mark.parametrize("damage", REGISTERS, ids=lambda damage: damage.__name__)
def test_a_register_that_can_not_be_used_is_reported(layout: Layout, damage: Callable[[Path], None]) -> None:
    damage(layout.register)
    code, words = REGISTERS[damage]

    require_error_line(start(layout, "verifier"), code, str(layout.register), words, "register build")


DATABASES = {"verifier": "counts", "requester": "store", "submit": "store"}


@pytest.mark.parametrize("damage", [is_garbage, replace_by_a_directory], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("command", DATABASES)
def test_a_database_that_can_not_be_opened_is_reported(
    system: RunningSystem, layout: Layout, command: str, damage: Callable[[Path], None]
) -> None:
    path = layout.root / configured(layout, command)[DATABASES[command]]
    path.touch()
    damage(path)
    # The keys of the running system, since `submit` connects before it opens the store.
    shutil.copytree(system.layout.keys, layout.keys, dirs_exist_ok=True)
    for name in ("trust.toml", "agreement/agreement.toml", "agreement/agreement.toml.sig"):
        shutil.copy(system.layout.root / name, layout.root / name)

    ended = start(layout, command, url=f"nats://{HOST}:{system.ports.bus}")

    require_error_line(ended, USAGE, str(path))


def test_a_ledger_of_another_origin_is_reported(layout: Layout) -> None:
    Ledger.open(layout.ledger, Ed25519PrivateKey.generate(), "audit.other/OTHER_1").close()

    require_error_line(start(layout, "auditor"), USAGE, str(layout.ledger), "another key or origin")


def test_a_ledger_that_another_process_has_open_is_reported(system: RunningSystem, layout: Layout) -> None:
    ended = start(layout, "auditor", ledger=str(system.layout.ledger))

    require_error_line(ended, USAGE, str(system.layout.ledger), "another process has this ledger open")


def test_a_ledger_that_can_not_be_written_is_reported(layout: Layout) -> None:
    for place in (layout.trust / "ledger", layout.trust, Path("/proc/ledger")):
        require_error_line(start(layout, "auditor", ledger=str(place)), USAGE, str(place))


def test_a_damaged_journal_is_an_integrity_error(layout: Layout) -> None:
    (layout.ledger / "journal").write_bytes(b"\xf7\xff\xfa\xff" + bytes(200))

    require_error_line(start(layout, "auditor"), INTEGRITY, "damaged")


def test_a_directory_that_is_no_ledger_stays_unchanged(layout: Layout) -> None:
    before = sorted(layout.keys.iterdir())

    ended = start(layout, "auditor", ledger=str(layout.keys))

    require_error_line(ended, USAGE, str(layout.keys), "not a ledger, and not empty")
    assert sorted(layout.keys.iterdir()) == before


def test_a_ledger_shorter_than_its_published_checkpoint_is_an_integrity_error(layout: Layout) -> None:
    """An older copy of the journal was restored; the checkpoint shows that there were more leaves."""
    agreement = load_versions(layout.agreement, load_trust(layout.trust)).newest.agreement
    signer = read_signing_key(layout.private_key(agreement.oversight, "ledger"))
    log = Ledger.open(layout.ledger, signer, Subjects(agreement.id).origin(agreement.oversight))
    older = (layout.ledger / "journal").read_bytes()
    log.append([Leaf(1, 0, "glomar.a.request.b.c", bytes(32))])
    log.close()
    (layout.ledger / "journal").write_bytes(older)

    ended = start(layout, "auditor")

    require_error_line(ended, INTEGRITY, "journal", "a checkpoint over 1 was published", "Stop the auditor")


def test_a_data_directory_in_use_is_reported(system: RunningSystem) -> None:
    ended = run("glomar", "up", "--data-dir", str(system.layout.root), "--port", "0")

    require_error_line(ended, USAGE, "in use", "glomar down")


def test_a_data_directory_that_can_not_be_made_is_reported(layout: Layout) -> None:
    for place in (layout.trust / "data", layout.trust, Path("/proc/data")):
        require_error_line(run("glomar", "up", "--data-dir", str(place), "--port", "0"), USAGE, str(place))


# Verifying a ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger of 300 leaves, with its key."""
    log = Ledger.open(tmp_path / "ledger", Ed25519PrivateKey.generate(), "audit.tigta/A_1")
    log.append([Leaf(n, n, f"glomar.a.request.b.{n}", bytes(32)) for n in range(1, 301)])
    log.close()
    return tmp_path / "ledger"


def verify(ledger: Path, vkey: Path) -> subprocess.CompletedProcess[str]:
    return run("glomar-auditor", "verify", str(ledger), "--vkey", str(vkey))


def test_a_key_that_is_not_the_ledgers_is_an_integrity_error(ledger: Path, tmp_path: Path) -> None:
    vkey = tmp_path / "other.vkey"
    vkey.write_text(format_vkey("audit.tigta/A_1", Ed25519PrivateKey.generate().public_key()))
    require_error_line(verify(ledger, vkey), INTEGRITY, "not the key you trust")

    (ledger / "log.vkey").unlink()
    require_error_line(verify(ledger, vkey), INTEGRITY, "checkpoint")


def test_an_invalid_key_is_reported(ledger: Path, tmp_path: Path) -> None:
    vkey = tmp_path / "none.vkey"
    require_error_line(verify(ledger, vkey), USAGE, str(vkey))
    require_error_line(verify(ledger, tmp_path), USAGE, str(tmp_path))
    for content in (b"", b"\xff\xfe", b"a+b+c", bytes(200)):
        vkey.write_bytes(content)
        ended = verify(ledger, vkey)
        require_error_line(ended, ended.returncode, "key")
        assert ended.returncode in (USAGE, REFUSED)


def test_a_directory_that_is_no_ledger_is_reported(ledger: Path, tmp_path: Path) -> None:
    vkey = tmp_path / "log.vkey"
    shutil.copy(ledger / "log.vkey", vkey)
    empty, nowhere = tmp_path / "empty", tmp_path / "nowhere"
    empty.mkdir()
    for place in (empty, nowhere, vkey):
        require_error_line(verify(place, vkey), USAGE, str(place))


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000", "tile/entries/000", "tile/entries/001.p/44"])
@pytest.mark.parametrize(
    "damage",
    [is_missing, is_empty, is_garbage, is_cut_short, replace_by_a_directory],
    ids=lambda damage: damage.__name__,
)
def test_a_ledger_with_a_damaged_file_is_an_integrity_error(
    ledger: Path, name: str, damage: Callable[[Path], None]
) -> None:
    vkey = ledger / "log.vkey"
    damage(ledger / name)

    require_error_line(verify(ledger, vkey), INTEGRITY)


# Registers


def test_no_register_is_built_from_a_file_that_is_no_extract(tmp_path: Path) -> None:
    source, db = tmp_path / "people.csv", tmp_path / "people.db"
    contents = {
        "unknown or repeated": f"{FIRST},{LAST}\n".encode(),
        "lacks": b"person_id\n",
        "UTF-8": "person_id\n".encode("utf-16"),
    }
    for words, content in contents.items():
        source.write_bytes(content)
        ended = run("glomar-verifier", "register", "build", str(source), "--db", str(db))
        require_error_line(ended, REFUSED, words)
        assert not db.exists()


def test_an_unreadable_extract_and_an_unwritable_register_are_reported(
    layout: Layout, tmp_path: Path
) -> None:
    places = [(tmp_path / "nowhere.csv", tmp_path / "a.db"), (tmp_path, tmp_path / "a.db")]
    places += [(layout.register_csv, tmp_path / "nowhere" / "a.db"), (layout.register_csv, tmp_path)]
    for source, db in places:
        ended = run("glomar-verifier", "register", "build", str(source), "--db", str(db))
        require_error_line(ended, USAGE)


def test_an_agreement_that_can_not_be_checked_is_reported(tmp_path: Path) -> None:
    require_error_line(run("glomar-verifier", "agreement", "check", str(tmp_path)), USAGE, str(tmp_path))
    file = tmp_path / "agreement.toml"
    file.write_text("id = 3\n")
    require_error_line(run("glomar-verifier", "agreement", "check", str(file)), REFUSED, str(file))


def test_an_ask_with_an_unknown_field_names_no_value(layout: Layout) -> None:
    config = str(layout.settings("requester"))
    ended = run("glomar-requester", "ask", "--first-name", FIRST, "--shoe-size", LAST, "--config", config)
    require_error_line(ended, USAGE, "no such field")
    ended = run("glomar-requester", "ask", "--date-of-birth", FIRST, "--config", config)
    require_error_line(ended, REFUSED, "date_of_birth")
    assert Ask.__struct_fields__ == COLUMNS
