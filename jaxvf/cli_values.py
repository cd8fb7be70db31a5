"""Values as they are written on the command line: settings of a sweep, seeds, options of a launcher."""

from collections.abc import Sequence
from typing import Any

from jaxvf.errors import InputError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_settings(assignments: Sequence[str]) -> dict[str, Any]:
    """`field=value,value` and `field=log(1e-4,1e-2,16)` as a grid (`jaxvf.sweeps.expressions`)."""
    from jaxvf.sweeps.expressions import parse_values  # here: help needs none of it

    grid: dict[str, Any] = {}
    for assignment in assignments:
        name, values = _parts("--set", assignment, "FIELD=VALUE[,VALUE...]")
        if name in grid:
            raise InputError(f"--set {name} is given twice; write {name}=VALUE,VALUE")
        grid[name] = parse_values(name, values)
    return grid


def parse_algorithms(texts: Sequence[str]) -> list[Any] | dict[str, Any]:
    """Algorithms as `NAME`, configured as `NAME:field=value,...`, labelled as `LABEL=NAME` or `LABEL=NAME:...`.

    Raises:
        InputError: for a wrong form, an unknown name or field, or labels that are not all different.
    """
    entries = [_algorithm(text) for text in texts]
    if not any(label for label, _, _ in entries):
        return [entry for _, _, entry in entries]
    labels = [label or name for label, name, _ in entries]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise InputError(f"--algorithm: the label {twice!r} is given twice")
    return dict(zip(labels, (entry for _, _, entry in entries), strict=True))


def _algorithm(text: str) -> tuple[str, str, Any]:
    """Label or "", name, and what `jaxvf.run` takes for it."""
    from jaxvf import algorithms
    from jaxvf.hyperparameters import replace
    from jaxvf.sweeps.expressions import parse_values, split

    head, colon, settings = text.partition(":")
    label, equals, name = head.rpartition("=")
    if not name or (equals and not label) or (colon and not settings):
        raise InputError(f"--algorithm {text!r} is not [LABEL=]NAME[:FIELD=VALUE,...]")
    if not colon:
        return label, name, name
    made = algorithms.make(name)
    for assignment in split(settings):
        field, value = _parts("--algorithm", assignment, "FIELD=VALUE")
        values = parse_values(field, value)
        if not isinstance(values, list) or len(values) != 1:
            raise InputError(f"--algorithm {text!r}: {field} has one value here; --set sweeps several")
        made = replace(made, field, values[0])
    return label, name, made


def parse_duration(flag: str, text: str) -> float:
    """`90s`, `10m`, `2h`, `1d` or a plain number of seconds, in seconds."""
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    try:
        return float(number) * unit
    except ValueError as error:
        raise InputError(f"{flag} {text!r} is no time such as 90s, 10m or 2h") from error


def parse_seeds(text: str) -> int | list[int]:
    """`32` is a count, `3,7,11` are the seeds themselves."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"seeds={text!r} is neither a count (32) nor a list (3,7,11)") from error
    return numbers if "," in text else numbers[0]


def parse_options(assignments: Sequence[str]) -> dict[str, str]:
    """`name=value` of `--launch-options`."""
    options: dict[str, str] = {}
    for assignment in assignments:
        name, value = _parts("--launch-options", assignment, "NAME=VALUE")
        if name in options:
            raise InputError(f"--launch-options {name} is given twice")
        options[name] = value
    return options


def _parts(flag: str, assignment: str, form: str) -> tuple[str, str]:
    name, equals, value = assignment.partition("=")
    if not equals or not name or not value:
        raise InputError(f"{flag} {assignment!r} is not {form}")
    return name, value
