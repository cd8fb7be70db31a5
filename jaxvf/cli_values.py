"""Values as they are written on the command line: settings of a sweep, and seeds."""

import ast
from collections.abc import Sequence
from typing import Any

from jaxvf.errors import InputError


def parse_settings(assignments: Sequence[str]) -> dict[str, list[Any]]:
    """`field=value,value` as a grid; values are Python literals where they can be, else strings."""
    grid: dict[str, list[Any]] = {}
    for assignment in assignments:
        name, equals, values = assignment.partition("=")
        if not equals or not name or not values:
            raise InputError(f"--set {assignment!r} is not FIELD=VALUE[,VALUE...]")
        if name in grid:
            raise InputError(f"--set {name} is given twice; write {name}=VALUE,VALUE")
        grid[name] = [_literal(value) for value in _split(values)]
    return grid


def parse_seeds(text: str) -> int | list[int]:
    """`32` is a count, `3,7,11` are the seeds themselves."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"seeds={text!r} is neither a count (32) nor a list (3,7,11)") from error
    return numbers if "," in text else numbers[0]


def _split(values: str) -> list[str]:
    """The parts between the commas that stand outside brackets."""
    parts, depth = [""], 0
    for character in values:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
