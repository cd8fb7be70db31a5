"""A sweep as a TOML file, read for `jaxvf run sweep.toml`.

env = ["predator_prey"]
seeds = 32
out = "runs/pp"

[[algorithms]]
label = "qmix with another mixer"  # or none: its name
name = "qmix"
mixer = "qplex"

[grid]
env.penalty = [-1, -3]
learning_rate = "log(1e-4, 1e-2, 16)"

Its keys are the fields of `Sweep`, `out` and `chunk` of `Sweep.run`, and `source`: where its numbers are from, a text
that nothing depends on.
"""

import dataclasses
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxvf import algorithms, envs
from jaxvf.errors import InputError, unknown
from jaxvf.hyperparameters import replace
from jaxvf.serialize import from_json
from jaxvf.sweeps.expressions import parse_values
from jaxvf.sweeps.space import with_static
from jaxvf.sweeps.sweep import Sweep

OPTIONS = ("out", "chunk")  # of `Sweep.run`
LABEL = "label"  # in a table of [[env]] or [[algorithms]]: what its runs are called
SOURCE = "source"  # where the numbers are from


def read(path: str | Path) -> dict[str, Any]:
    """What a file says: the fields of `Sweep` that it gives, and of `Sweep.run` its `out` and `chunk`.

    A string in [grid] is read as on the command line (`expressions.parse_values`); a list holds plain values.

    Raises:
        InputError: if the file cannot be read, is not TOML, has an unknown key, or configures what cannot be.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # so are errors of TOML and of its encoding
        raise InputError(f"{path} is not TOML: {error}") from error
    keys = [*(field.name for field in dataclasses.fields(Sweep)), *OPTIONS, SOURCE]
    for key in content:
        if key not in keys:
            raise unknown(f"key of {path}", key, keys)
    try:
        if not isinstance(content.pop(SOURCE, ""), str):
            raise InputError("source is not a text")
        return {key: _value(key, value) for key, value in content.items()}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def is_object(document: Any) -> bool:
    """Whether a table is an object in full, as `serialize.to_json` writes it."""
    return isinstance(document, dict) and document.keys() == {"class", "fields"}


def _value(key: str, value: Any) -> Any:
    if key == "env":
        return _entries(key, value, envs.make, with_static)
    if key == "algorithms":
        return _entries(key, value, algorithms.make, _replaced)
    if key == "grid":
        if not isinstance(value, dict):
            raise InputError(f"grid={value!r} is not a table of fields and their values")
        return {name: _axis(name, values) for name, values in _flat(value)}
    if key == "chunk" and type(value) is not int:
        raise InputError(f"chunk={value!r} is not a whole number")
    if key == "out":
        if not isinstance(value, str):
            raise InputError(f"out={value!r} is not a path")
        return Path(value)
    return value


def _entries(
    key: str, value: Any, make: Callable[[str], Any], change: Callable[[Any, Mapping[str, Any]], Any]
) -> list[Any] | dict[str, Any]:
    """Names as they are, tables as the objects that they configure; by label where a table has one."""
    entries = value if isinstance(value, list) else [value]
    found = [_entry(key, entry, make, change) for entry in entries]
    labels = [entry.get(LABEL) if isinstance(entry, dict) else None for entry in entries]
    if not any(labels):
        return found
    # A name without a label is its own.
    named = [label or (one if isinstance(one, str) else "") for label, one in zip(labels, found, strict=True)]
    if not all(isinstance(label, str) and label for label in named) or len(set(named)) < len(named):
        raise InputError(f"{key}: where one entry has a label, each needs one of its own; they are {named}")
    return dict(zip(named, found, strict=True))


def _entry(key: str, entry: Any, make: Callable[[str], Any], change: Callable[[Any, Mapping[str, Any]], Any]) -> Any:
    if not isinstance(entry, dict):
        return entry
    table = {name: value for name, value in entry.items() if name != LABEL}
    if is_object(table):
        return from_json(table)
    if "name" not in table:
        raise InputError(f"{key}: {entry!r} has no name")
    made = make(table["name"])
    return _configured(made, table, change) if len(table) > 1 else table["name"]


def _configured(config: Any, table: Mapping[str, Any], change: Callable[[Any, Mapping[str, Any]], Any]) -> Any:
    """`config` with the fields of a table; a table inside configures the object in that field, or a `name` there."""
    settings = {}
    for name, value in table.items():
        if name == "name":
            continue
        value = from_json(value)
        if isinstance(value, dict):
            if "name" in value:
                config = change(config, {name: value["name"]})
            value = _configured(getattr(config, name, None), value, _replaced)
        settings[name] = value
    return change(config, settings)


def _replaced(config: Any, settings: Mapping[str, Any]) -> Any:
    for name, value in settings.items():
        config = replace(config, name, value)
    return config


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields by dotted name: TOML reads env.penalty without quotes as a table inside a table."""
    for name, value in table.items():
        if isinstance(value, dict) and not is_object(value):
            yield from ((f"{name}.{inner}", values) for inner, values in _flat(value))
        else:
            yield name, value


def _axis(field: str, values: Any) -> Any:
    if isinstance(values, str):
        return parse_values(field, values)
    return from_json(values) if isinstance(values, list) else [from_json(values)]
