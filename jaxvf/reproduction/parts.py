"""Parts of an experiment: some of its maps or learners and no others, as `--only` and claims.toml name them."""

import inspect
import re
import shlex
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from jaxvf.errors import InputError, unknown

PAPER = "paper"  # the scale that has all of everything


def choices(experiment: ModuleType | Any) -> dict[str, tuple[Any, ...]]:
    """What a part of an experiment can name: arguments of `reproduce` whose values are plain, with those values."""
    found = {}
    for name in inspect.signature(experiment.reproduce).parameters:
        known = getattr(experiment.SCALES[PAPER], name, ()) or getattr(experiment, name.upper(), ())
        if isinstance(known, tuple | dict) and known and all(isinstance(value, str | int | float) for value in known):
            found[name] = tuple(known)
    return found


def parse_only(experiment: ModuleType | Any, assignments: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """`maps=3m,2s3z` as the argument of an experiment's `reproduce`; a comma before a space belongs to a name.

    Raises:
        InputError: for a wrong form, what is given twice, and names that the experiment does not have.
    """
    part: dict[str, tuple[Any, ...]] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not text:
            raise InputError(f"--only {assignment!r} is not NAME=VALUE[,VALUE...]")
        if name in part:
            raise InputError(f"--only {name} is given twice; write {name}=VALUE,VALUE")
        known = choices(experiment)
        if name not in known:
            raise unknown("--only", name, known)
        part[name] = tuple(_one_of(name, value, known[name]) for value in re.split(r",(?! )", text))
    return part


def only_text(part: Mapping[str, Sequence[Any]]) -> str:
    """A part as `--only` takes it, for a shell; empty for the whole."""
    words = [f"{name}={','.join(map(_written, values))}" for name, values in part.items()]
    return shlex.join(["--only", *words]) if words else ""


def _one_of(name: str, text: str, known: Sequence[Any]) -> Any:
    valid = {_written(value): value for value in known}
    if text not in valid:
        raise unknown(f"value of --only {name}", text, valid)
    return valid[text]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
