"""One condition's CEL text -> a program that mentions nothing it may not. Called by the gate, once each,
and by `agreement check`, which wants every mistake and its line.

The language is kept smaller than CEL: a variable is never used whole, always field by field, so that a
misspelt field is found when the agreement is loaded, and only what is mentioned is converted for a request.
"""

import re
from collections.abc import Collection, Iterator, Mapping

import cel
from glomar_schemas.agreement.model import Condition
from glomar_schemas.errors import Malformed
from msgspec import Struct

_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_MACRO_VARIABLE = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,")
_CEL_FAULT = re.compile(r"ERROR: <input>:(?P<line>\d+):\d+: (?P<what>.*)")


class Vocabulary(Struct, frozen=True):
    """What expressions may mention: variables with their fields, variables without any, functions."""

    fields: Mapping[str, Collection[str]]
    scalars: Collection[str]
    functions: Collection[str]


class Expression(Struct, frozen=True):
    """A compiled condition and the (variable, field) pairs that it reads, each as one variable (`flat`)."""

    program: cel.Program
    mentions: frozenset[tuple[str, str]]


class Mistake(Struct, frozen=True):
    """What is wrong with an expression, and in which of its lines, from 1."""

    line: int
    what: str
    fix: str = ""


def compile_condition(condition: Condition, vocabulary: Vocabulary) -> Expression:
    """Raises Malformed, naming the condition, for bad syntax and for unknown variables, fields, functions."""
    for mistake in mistakes(condition.holds, vocabulary):
        raise Malformed(mistake.what, where=f"condition {condition.id}", fix=mistake.fix)
    text = _without_strings(condition.holds)
    found = [mention for variable in vocabulary.fields for mention in _mentions(variable, text)]
    return Expression(
        cel.compile(_laid_flat(condition.holds, found)),
        frozenset((mention["variable"], mention["field"]) for mention in found),
    )


def flat(variable: str, field: str) -> str:
    """One variable for each field: the CEL library takes ten times as long to take in a table of them."""
    return f"{variable}__{field}"


def mistakes(holds: str, vocabulary: Vocabulary) -> list[Mistake]:
    """Every mistake in the text of an expression, in its order; empty: it can be compiled."""
    try:
        program = cel.compile(holds)
    except ValueError as error:
        return [
            Mistake(int(fault["line"]), f"not CEL: {fault['what']}")
            for fault in _CEL_FAULT.finditer(str(error))
        ] or [Mistake(1, "not CEL")]
    text = _without_strings(holds)
    found: list[tuple[int, str, str]] = []
    known = {*_MACRO_VARIABLE.findall(text), *vocabulary.fields, *vocabulary.scalars}
    for variable in set(program.variables()) - known:
        found += [(place, f"unknown variable {variable}", "") for place in _places(variable, text)]
    for function in program.functions():
        # An operator is listed beside the functions, under a name such as _&&_ or @in.
        if function.isidentifier() and function not in vocabulary.functions:
            found += [(place, f"unknown function {function}", "") for place in _places(function, text)]
    for variable, fields in vocabulary.fields.items():
        for mention in _mentions(variable, text):
            if mention["field"] is None:
                fix = f"Name its field: {variable}.<field>"
                found.append((mention.start(), f"{variable} is used whole", fix))
            elif mention["field"] not in fields:
                found.append((mention.start("field"), f"{variable} has no field {mention['field']}", ""))
    return [Mistake(text.count("\n", 0, place) + 1, what, fix) for place, what, fix in sorted(found)]


def _laid_flat(holds: str, mentions: list[re.Match[str]]) -> str:
    """The mentions are those of the text without strings, where everything has the same place."""
    parts, end = [], 0
    for mention in sorted(mentions, key=re.Match.start):
        parts += [holds[end : mention.start()], flat(mention["variable"], mention["field"])]
        end = mention.end()
    return "".join([*parts, holds[end:]])


def _without_strings(holds: str) -> str:
    """The text with every character of its strings, but for line ends, made a quote."""
    return _STRING.sub(lambda match: re.sub(r"[^\n]", "'", match.group()), holds)


def _mentions(variable: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"(?<![\w.])(?P<variable>{variable})\b(?:\s*\.\s*(?P<field>\w+))?", text)


def _places(word: str, text: str) -> list[int]:
    """Never empty: what the program uses is a mistake, wherever it hides in the text."""
    return [match.start() for match in re.finditer(rf"(?<!\w){re.escape(word)}\b", text)] or [0]
