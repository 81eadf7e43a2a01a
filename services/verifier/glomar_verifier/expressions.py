"""One condition's CEL text -> a program that mentions nothing it may not. Called by the gate, once each.

The language is kept smaller than CEL: a variable is never used whole, always field by field, so that a
misspelt field is found when the agreement is loaded, and only what is mentioned is converted for a request.
"""

import re
from collections.abc import Collection, Mapping

import cel
from glomar_schemas.agreement import Condition
from glomar_schemas.errors import Malformed
from msgspec import Struct

_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_MACRO_VARIABLE = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,")


class Vocabulary(Struct, frozen=True):
    """What expressions may mention: variables with their fields, variables without any, functions."""

    fields: Mapping[str, Collection[str]]
    scalars: Collection[str]
    functions: Collection[str]


class Expression(Struct, frozen=True):
    """A compiled condition and the (variable, field) pairs that it reads."""

    program: cel.Program
    mentions: frozenset[tuple[str, str]]


def compile_condition(condition: Condition, vocabulary: Vocabulary) -> Expression:
    """Raises Malformed, naming the condition, for bad syntax and for unknown variables, fields, functions."""
    where = f"condition {condition.id}"
    try:
        program = cel.compile(condition.holds)
    except ValueError as error:
        raise Malformed(f"not CEL: {str(error).splitlines()[0]}", where=where) from None
    text = _STRING.sub("''", condition.holds)
    _require_known(program, text, vocabulary, where)
    mentions = [mention for variable in vocabulary.fields for mention in _mentions(variable, text, where)]
    for variable, field in mentions:
        if field not in vocabulary.fields[variable]:
            raise Malformed(f"{variable} has no field {field}", where=where)
    return Expression(program, frozenset(mentions))


def _require_known(program: cel.Program, text: str, vocabulary: Vocabulary, where: str) -> None:
    macro_variables = set(_MACRO_VARIABLE.findall(text))
    for variable in program.variables():
        if variable not in macro_variables | {*vocabulary.fields, *vocabulary.scalars}:
            raise Malformed(f"unknown variable {variable}", where=where)
    for function in program.functions():
        # An operator is listed beside the functions, under a name such as _&&_ or @in.
        if function.isidentifier() and function not in vocabulary.functions:
            raise Malformed(f"unknown function {function}", where=where)


def _mentions(variable: str, text: str, where: str) -> list[tuple[str, str]]:
    found = re.findall(rf"(?<![\w.]){variable}\b(?:\s*\.\s*(\w+))?", text)
    if "" in found:
        raise Malformed(f"{variable} is used whole", where=where, fix=f"Name its field: {variable}.<field>")
    return [(variable, field) for field in found]
