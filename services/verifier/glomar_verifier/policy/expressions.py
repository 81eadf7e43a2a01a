"""Compiles the CEL text of a condition and checks what it mentions.

The language is smaller than CEL: a variable is always used field by field, never as a whole. So a misspelt
field is found when the agreement is loaded, and only mentioned fields are converted for a request.
"""

import re
from collections.abc import Collection, Iterator, Mapping

import cel
from glomar_schemas.agreement.model import Condition
from glomar_schemas.errors import Malformed
from msgspec import Struct

_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_MACRO_VARIABLE = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,")
_CEL_ERROR = re.compile(r"ERROR: <input>:(?P<line>\d+):\d+: (?P<what>.*)")


class Vocabulary(Struct, frozen=True):
    """What expressions may mention: variables with their fields, variables without any, functions."""

    fields: Mapping[str, Collection[str]]
    scalars: Collection[str]
    functions: Collection[str]


class Expression(Struct, frozen=True):
    """A compiled condition. mentions: the (variable, field) pairs that it reads (see `flat`)."""

    program: cel.Program
    mentions: frozenset[tuple[str, str]]


class ExpressionFault(Struct, frozen=True):
    """What is wrong with an expression. line: of the expression, from 1."""

    line: int
    what: str
    fix: str = ""


def compile_condition(condition: Condition, vocabulary: Vocabulary) -> Expression:
    """Raises Malformed, naming the condition, for bad syntax and for unknown variables, fields, functions."""
    for fault in expression_faults(condition.holds, vocabulary):
        raise Malformed(fault.what, where=f"condition {condition.id}", fix=fault.fix)
    text = _without_strings(condition.holds)
    found = [mention for variable in vocabulary.fields for mention in _mentions(variable, text)]
    return Expression(
        cel.compile(_flattened(condition.holds, found)),
        frozenset((mention["variable"], mention["field"]) for mention in found),
    )


def flat(variable: str, field: str) -> str:
    """One variable for each field: the CEL library needs ten times as long to convert a table of fields."""
    return f"{variable}__{field}"


def expression_faults(holds: str, vocabulary: Vocabulary) -> list[ExpressionFault]:
    """Every fault in the text, in order; empty if it can be compiled."""
    try:
        program = cel.compile(holds)
    except ValueError as error:
        return [
            ExpressionFault(int(match["line"]), f"not CEL: {match['what']}")
            for match in _CEL_ERROR.finditer(str(error))
        ] or [ExpressionFault(1, "not CEL")]
    text = _without_strings(holds)
    found: list[tuple[int, str, str]] = []
    known = {*_MACRO_VARIABLE.findall(text), *vocabulary.fields, *vocabulary.scalars}
    for variable in set(program.variables()) - known:
        found += [(at, f"unknown variable {variable}", "") for at in _offsets(variable, text)]
    for function in program.functions():
        # Operators are listed with the functions, under names such as _&&_ or @in.
        if function.isidentifier() and function not in vocabulary.functions:
            found += [(at, f"unknown function {function}", "") for at in _offsets(function, text)]
    for variable, fields in vocabulary.fields.items():
        for mention in _mentions(variable, text):
            if mention["field"] is None:
                fix = f"Name its field: {variable}.<field>"
                found.append((mention.start(), f"{variable} is used whole", fix))
            elif mention["field"] not in fields:
                found.append((mention.start("field"), f"{variable} has no field {mention['field']}", ""))
    return [ExpressionFault(text.count("\n", 0, at) + 1, what, fix) for at, what, fix in sorted(found)]


def _flattened(holds: str, mentions: list[re.Match[str]]) -> str:
    """Writes each mention as one variable. mentions: of the text without strings (same offsets)."""
    parts, end = [], 0
    for mention in sorted(mentions, key=re.Match.start):
        parts += [holds[end : mention.start()], flat(mention["variable"], mention["field"])]
        end = mention.end()
    return "".join([*parts, holds[end:]])


def _without_strings(holds: str) -> str:
    """The text with every character of its strings replaced by a quote; line ends stay."""
    return _STRING.sub(lambda match: re.sub(r"[^\n]", "'", match.group()), holds)


def _mentions(variable: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"(?<![\w.])(?P<variable>{variable})\b(?:\s*\.\s*(?P<field>\w+))?", text)


def _offsets(word: str, text: str) -> list[int]:
    """Offsets of the word. Never empty: an unknown name is a fault even if it is not found in the text."""
    return [match.start() for match in re.finditer(rf"(?<!\w){re.escape(word)}\b", text)] or [0]
