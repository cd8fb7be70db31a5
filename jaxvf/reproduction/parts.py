"""Parts of an experiment: some of its maps or learners and no others, as `--only` and claims.toml name them."""

import dataclasses
import inspect
import re
import shlex
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from jaxvf.errors import InputError, unknown
from jaxvf.reproduction.scale import Scale

PAPER = "paper"  # the scale that has all of everything
OF_ANY = {field.name for field in dataclasses.fields(Scale)}  # seeds, env_steps, ...: options of their own


def choices(experiment: ModuleType | Any) -> dict[str, tuple[Any, ...]]:
    """What a part of an experiment can name: arguments of `reproduce` whose values are plain, with those values."""
    found = {}
    for name in inspect.signature(experiment.reproduce).parameters.keys() - OF_ANY:
        known = getattr(experiment.SCALES[PAPER], name, ()) or getattr(experiment, name.upper(), ())
        if isinstance(known, tuple | dict) and known and all(isinstance(value, str | int | float) for value in known):
            found[name] = tuple(known)
    return found


def parse_only(name: str, experiment: ModuleType | Any, assignments: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """`maps=3m,2s3z` as the argument of an experiment's `reproduce`; a comma before a space belongs to a name.

    Args:
        name: of the experiment.
        experiment: its module.
        assignments: what was given.

    Raises:
        InputError: for a wrong form, what is given twice, and names that the experiment does not have.
    """
    part: dict[str, tuple[Any, ...]] = {}
    known = choices(experiment)
    for assignment in assignments:
        field, equals, text = assignment.partition("=")
        if not equals or not text:
            raise InputError(f"--only {assignment!r} is not NAME=VALUE[,VALUE...]")
        if not known:
            raise InputError(f"--only {assignment}: {name} has no parts to name")
        if field in part:
            raise InputError(f"--only {field} is given twice; write {field}=VALUE,VALUE")
        if field not in known:
            raise unknown("--only", field, known)
        part[field] = tuple(_one_of(field, value, known[field]) for value in re.split(r",(?! )", text))
        twice = next((value for value in part[field] if part[field].count(value) > 1), None)
        if twice is not None:
            raise InputError(f"--only {assignment}: {_written(twice)} is given twice")
    return part


def only_text(part: Mapping[str, Sequence[Any]]) -> str:
    """A part as `--only` takes it, for a shell; empty for the whole."""
    words = [f"{name}={','.join(map(_written, values))}" for name, values in part.items()]
    return shlex.join(["--only", *words]) if words else ""


def directory_of(experiment: str, part: Mapping[str, Any]) -> str:
    """A name for the directory of a part; the experiment's own for the whole."""
    values = [str(one) for value in part.values() for one in (value if isinstance(value, list | tuple) else [value])]
    return "-".join([experiment, *values]).replace("/", "_").replace(" ", "_")


def _one_of(field: str, text: str, known: Sequence[Any]) -> Any:
    valid = {_written(value): value for value in known}
    if text not in valid:
        raise unknown(f"value of --only {field}", text, valid)
    return valid[text]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
