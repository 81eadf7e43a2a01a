"""The documents: links resolve, and each path, module and command that they name exists."""

import importlib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from cyclopts import App
from glomar_auditor.cli import app as auditor
from glomar_local.cli import app as local
from glomar_requester.cli import app as requester
from glomar_runtime.cli_bus import app as bus
from glomar_verifier.cli import app as verifier

ROOT = Path(__file__).resolve().parents[2]
APPS: dict[str, App] = {app.name[0]: app for app in (auditor, local, requester, bus, verifier)}
PACKAGES = {
    "schemas": "glomar_schemas",
    "services/runtime": "glomar_runtime",
    "services/requester": "glomar_requester",
    "services/verifier": "glomar_verifier",
    "services/auditor": "glomar_auditor",
    "deploy/local": "glomar_local",
    "deploy/evaluation": "glomar_evaluation",
}
FREE_OPTIONS = {"glomar-requester ask"}
"""Commands that take any column of a request file as an option."""

_FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE_SPAN = re.compile(r"`([^`]+)`")
_INDENTED = re.compile(r"^ {4,}(\S.*)$", re.MULTILINE)
_COMMAND = re.compile(r"(?:\$ )?(?:\.venv/bin/)?(glomar(?:-[a-z]+)?) (.*)")
_PATH = re.compile(r"(?:docs|schemas|services|deploy|tests)/[\w./-]*")


@cache
def documents() -> list[Path]:
    """All of the checkout, but for what is installed or made below it."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(
        ROOT / path
        for path in found
        if "node_modules" not in path.parts and not any(part.startswith(".") for part in path.parts)
    )


def each_document() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))


@cache
def anchors(path: Path) -> frozenset[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    cleaned = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return frozenset(text.strip().replace(" ", "-") for text in cleaned)


def spans(text: str) -> list[str]:
    """The code spans of the prose, blanks joined."""
    return [" ".join(span.split()) for span in _CODE_SPAN.findall(_FENCE.sub("", text))]


def code_lines(text: str) -> Iterator[str]:
    """The lines of code blocks, continuation lines joined."""
    blocks = [*_FENCE.findall(text), "\n".join(_INDENTED.findall(text))]
    for block in blocks:
        yield from (line.strip() for line in re.sub(r"\\\n\s*", "", block).splitlines())


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(program, rest of the line) of each command in code."""
    for line in [*spans(text), *code_lines(text)]:
        if (found := _COMMAND.match(line)) and found[1] in APPS:
            yield found[1], found[2]


def resolve(program: str, rest: str) -> tuple[str, App, bool]:
    """The words of the command, its app, and whether every word that had to be a subcommand is one."""
    app, name = APPS[program], program
    for word in rest.split():
        subcommands = {each for each in app if not each.startswith("-")}
        if word in subcommands:
            app, name = app[word], f"{name} {word}"
        else:
            return name, app, not subcommands or not re.fullmatch(r"[a-z][a-z-]*", word)
    return name, app, True


def leaves(app: App, name: str) -> Iterator[str]:
    subcommands = [each for each in app if not each.startswith("-")]
    if not subcommands:
        yield name
    for each in subcommands:
        yield from leaves(app[each], f"{name} {each}")


def options(app: App) -> set[str]:
    return {name for argument in app.assemble_argument_collection() for name in argument.names}


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    parent, _, last = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(parent), last)
    except (ModuleNotFoundError, ValueError):
        return False


@each_document()
def test_every_relative_link_resolves(path: Path) -> None:
    wrong = []
    for link in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(link)
    assert wrong == []


@each_document()
def test_every_path_that_is_named_exists(path: Path) -> None:
    named = [span for span in spans(path.read_text(encoding="utf-8")) if _PATH.fullmatch(span)]
    assert [name for name in named if not (ROOT / name).exists()] == []


@each_document()
def test_every_command_that_is_named_exists_and_has_its_options(path: Path) -> None:
    wrong = []
    for program, rest in commands(path.read_text(encoding="utf-8")):
        name, app, known = resolve(program, rest)
        used = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)) - {"--help"}
        if not known or (used and name not in FREE_OPTIONS and not used <= options(app)):
            wrong.append(f"{program} {rest}")
    assert wrong == []


@each_document()
def test_every_module_that_is_named_exists(path: Path) -> None:
    named = [
        span
        for span in spans(path.read_text(encoding="utf-8"))
        if re.fullmatch(r"\w+(\.\w+)*", span) and span.split(".")[0] in PACKAGES.values()
    ]
    run = re.findall(r"\bpython -m ([\w.]+)", path.read_text(encoding="utf-8"))
    assert [name for name in [*named, *run] if not exists(name)] == []


def test_every_document_that_the_code_names_exists() -> None:
    sources = [path for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")]
    named = {
        (name, str(path.relative_to(ROOT)))
        for path in sources
        for name in re.findall(r"\bdocs/[\w./-]+\.md\b", path.read_text(encoding="utf-8"))
    }
    assert [pair for pair in sorted(named) if not (ROOT / pair[0]).is_file()] == []


def test_every_command_is_in_the_reference() -> None:
    listed = set(spans((ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")))
    assert [name for program in APPS for name in leaves(APPS[program], program) if name not in listed] == []


@pytest.mark.parametrize(("folder", "package"), PACKAGES.items())
def test_a_folder_s_readme_lists_its_sub_packages_and_names_no_other(folder: str, package: str) -> None:
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    there = {init.parent.name for init in (ROOT / folder / package).glob("*/__init__.py")}
    assert rows == there
    steps = re.findall(r"^\d\. (.*(?:\n {3}.*)*)", text, re.MULTILINE)
    named = {span for step in steps for span in spans(step) if re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", span)}
    assert [name for name in sorted(named) if not exists(f"{package}.{name}")] == []


def test_the_index_of_decisions_has_each_with_its_title() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[\d{4}\]\((\S+)\) \| (.+) \|$", index, re.MULTILINE))
    decisions = {
        path.name: path.read_text(encoding="utf-8").splitlines()[0].partition(". ")[2]
        for path in (ROOT / "docs/adr").glob("0*.md")
    }
    assert rows == decisions


def test_every_document_is_reachable_from_the_readme() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        path = ahead.pop()
        if path in seen or path.suffix != ".md" or not path.is_file():
            continue
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        ahead += [(path.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(text)]
    assert [str(path) for path in documents() if path not in seen | {ROOT / "CHANGELOG.md"}] == []
