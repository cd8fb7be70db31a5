"""Values as they are written in a command or a file: `1e-3,5e-4`, `log(1e-4,1e-2,16)`, `uniform(-5,0,32)`."""

import ast
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from jaxvf.errors import InputError, unknown
from jaxvf.sweeps import values
from jaxvf.sweeps.values import is_drawn


def parse_values(field: str, text: str) -> Any:
    """The values of a field: a list, or what is drawn when the sweep is planned.

    Args:
        field: whose values they are, for error messages.
        text: parts between commas. A part is a Python literal, a call of `FUNCTIONS`, or else a string.

    Raises:
        InputError: for an unknown function, or one that does not take its arguments; the line names the field.
    """
    parts = [_part(field, part.strip()) for part in split(text)]
    drawn = [value for value in parts if is_drawn(value)]
    if drawn and len(parts) > 1:
        raise InputError(f"{field}={text}: drawn values stand alone; give lists, lin and log beside each other")
    if drawn:
        return drawn[0]
    return [value for part in parts for value in (part.values if isinstance(part, _Several) else [part])]


class _Several:
    """What a function lists, as opposed to one value that is itself a list (a payoff)."""

    def __init__(self, values: list[Any]):
        self.values = values


def _zip(*columns: Any) -> _Several:
    """The first value of every column, the second of every column, ..."""
    lists = [column.values if isinstance(column, _Several) else column for column in columns]
    for column in lists:
        if not isinstance(column, list | tuple):
            raise InputError(f"zip: {column!r} is not a list, lin or log")
    lengths = [len(column) for column in lists]
    if len(lists) < 2 or len(set(lengths)) > 1:
        raise InputError(f"zip: takes two or more columns of one length, not of {lengths}")
    return _Several(list(zip(*lists, strict=True)))


def _lin(low: Any, high: Any, n: Any) -> _Several:
    return _Several(values.lin(low, high, n))


def _log(low: Any, high: Any, n: Any) -> _Several:
    return _Several(values.log(low, high, n))


def _sobol(*ranges_and_n: Any) -> values.Sobol:
    *ranges, n = ranges_and_n or (0,)
    return values.Sobol(ranges, n)


# What may be called, and how its call is written.
FUNCTIONS: Mapping[str, tuple[Callable[..., Any], str]] = MappingProxyType(
    {
        "lin": (_lin, "lin(low,high,n)"),
        "log": (_log, "log(low,high,n)"),
        "uniform": (values.Uniform, "uniform(low,high,n)"),
        "log_uniform": (values.LogUniform, "log_uniform(low,high,n)"),
        "sobol": (_sobol, "sobol(range,...,n)"),
        "zip": (_zip, "zip(values,values,...)"),
    }
)


def _part(field: str, text: str) -> Any:
    try:
        tree = ast.parse(text, mode="eval").body
        if not isinstance(tree, ast.Call):
            return ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # not Python's: a name, or anything else
        return text
    try:
        return _call(tree)
    except InputError as error:
        raise InputError(f"{field}={text}: {error}") from error


def _call(tree: ast.expr) -> Any:
    """The value of an expression of literals and calls; names and attributes are nothing that it could reach."""
    if isinstance(tree, ast.Call):
        name = ast.unparse(tree.func)
        if name not in FUNCTIONS:
            raise unknown("function", name, FUNCTIONS)
        function, form = FUNCTIONS[name]
        arguments = [_call(argument) for argument in tree.args]
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError as error:
            raise InputError(f"write {form}") from error
        if tree.keywords:
            raise InputError(f"write {form}")
        return function(*arguments)
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError) as error:
        raise InputError(f"{ast.unparse(tree)} is not a literal") from error


def split(text: str) -> list[str]:
    """The parts between the commas that stand outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
