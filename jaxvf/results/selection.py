"""Which runs a condition names: equal values, lists of them, predicates; and what to say where it names none."""

import difflib
import numbers
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxvf.errors import InputError, unknown

NOT_OF_A_CONDITION = ("run", "seed", "status")  # fields of a record that tell runs of one condition apart
STATUSES = ("finished", "diverged", "unfinished", "dropped")
NEAREST = 3  # values that an error names

Record = Mapping[str, Any]


def selected(runs: Sequence[Record], wanted: Mapping[str, Any]) -> list[int]:
    """Rows of the records that have all wanted values.

    Args:
        runs: one record a run.
        wanted: by field a value, a list of values of which a run has one, or a predicate of the value. A list that is
            itself a value of some run (a payoff) is that value.

    Raises:
        InputError: for a field that no record has, a value that no run has, or values that no run has together. A
            predicate may hold of no run, and no run may have a status.
    """
    known = {name: None for run in runs for name in run}
    tests: dict[str, Callable[[Any], Any]] = {}
    for name, value in wanted.items():
        if name not in known:
            raise unknown("field of a run", name, known)
        predicate = callable(value) and not hasattr(value, "__dataclass_fields__")  # flax's modules can be called
        tests[name] = value if predicate else _is(name, value, runs)
    # How many runs of a condition diverged is a question too, and the answer may be none.
    named = {name: test for name, test in tests.items() if test is not wanted[name] and name != "status"}
    rows = [row for row, run in enumerate(runs) if all(test(run.get(name)) for name, test in named.items())]
    if named and not rows:
        said = ", ".join(f"{name}={reprlib.repr(wanted[name])}" for name in named)
        raise InputError(f"no run has {said} together; see runs, or conditions()")
    asked = {name: test for name, test in tests.items() if name not in named}
    return [row for row in rows if all(_holds(name, test, runs[row].get(name)) for name, test in asked.items())]


def grouped(runs: Sequence[Record]) -> list[tuple[dict[str, Any], list[int]]]:
    """Every combination of what differs between runs but the seed, in order of first appearance, with its rows."""
    found: dict[Any, tuple[dict[str, Any], list[int]]] = {}
    for row, run in enumerate(runs):
        condition = {name: value for name, value in run.items() if name not in NOT_OF_A_CONDITION}
        key = tuple((name, _key(value)) for name, value in condition.items())
        found.setdefault(key, (condition, []))[1].append(row)
    return list(found.values())


def same(a: Any, b: Any) -> bool:
    """Whether two values of a record are equal, arrays and lists of numbers included."""
    if any(isinstance(value, np.ndarray | list | tuple) for value in (a, b)):
        return _key(a) == _key(b)
    return bool(a == b)


def _is(name: str, value: Any, runs: Sequence[Record]) -> Callable[[Any], bool]:
    """The test for a value, or for one of several."""
    held = {_key(run.get(name)): run.get(name) for run in runs}
    several = isinstance(value, list | tuple | set | frozenset | range | np.ndarray) and _key(value) not in held
    choices = list(value) if several else [value]
    if not choices:
        raise InputError(f"{name}=[] names no value")
    for choice in choices:
        if not any(same(choice, one) for one in held.values()) and not (name == "status" and choice in STATUSES):
            raise _no_run_has(name, choice, list(held.values()))
    return lambda own: any(same(own, choice) for choice in choices)


def _holds(name: str, test: Callable[[Any], Any], value: Any) -> bool:
    try:
        return bool(test(value))
    except Exception as error:  # a predicate of the user's own; a run without the field has None
        raise InputError(f"{name}: the predicate failed for {reprlib.repr(value)}: {error}") from error


def _no_run_has(name: str, value: Any, held: list[Any]) -> InputError:
    """The line about a value that no run has, with the nearest ones that runs have."""
    if _is_number(value) and all(_is_number(one) for one in held if one is not None):
        nearest = sorted((one for one in held if one is not None), key=lambda one: (abs(one - value), one))[:NEAREST]
        shown = [f"{one:g}" if isinstance(one, float) else str(one) for one in sorted(nearest)]
    else:
        texts = [one if isinstance(one, str) else reprlib.repr(one) for one in held]
        close = difflib.get_close_matches(str(value), texts, n=NEAREST, cutoff=0.4)
        shown = [repr(text) if text in held else text for text in close or texts[:NEAREST]]
    return InputError(f"no run has {name}={reprlib.repr(value)}; the nearest that runs have: {', '.join(shown)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _key(value: Any) -> Any:
    """What equal values have in common, as something that can be looked up."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_key(item) for item in value)
    if isinstance(value, set | frozenset):
        return frozenset(_key(item) for item in value)
    if isinstance(value, dict):  # the description of an object whose class this program does not know
        return tuple((name, _key(item)) for name, item in value.items())
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value
