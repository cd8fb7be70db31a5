"""Finds values of an axis that are one value to the program: their runs are equal and would count as independent."""

import math
import reprlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxvf.errors import InputError
from jaxvf.hyperparameters import field_at
from jaxvf.sweeps.values import SEED


def check_distinct(
    axes: Mapping[str, Sequence[Any]], points: Sequence[Mapping[str, Any]], configured: Sequence[tuple[Any, Any, Any]]
) -> None:
    """Every value of every axis makes other runs.

    Args:
        axes: the values of each axis.
        points: the settings of every combination of them, the last axis fastest.
        configured: environment, its parameters and algorithm of every point; float32 where programs compute in it.

    Raises:
        InputError: for the first two values of an axis that are one after conversion.
    """
    for place, (axis, values) in enumerate(axes.items()):
        stride = math.prod([len(others) for others in list(axes.values())[place + 1 :]])
        seen: dict[Hashable, Any] = {}
        for index, value in enumerate(values):
            point = index * stride  # the first that has this value
            key = tuple(_effective(name, points[point], configured[point]) for name in axis.split(","))
            if key in seen:
                raise InputError(_line(axis, seen[key], value))
            seen[key] = value


def _effective(name: str, settings: Mapping[str, Any], configured: tuple[Any, Any, Any]) -> Hashable:
    """What the program gets for a field."""
    env, env_params, algorithm = configured
    if name == SEED:
        return settings[name]
    scope, _, field = name.partition(".")
    if scope == "env":
        return _bytes(getattr(env_params, field)) if hasattr(env_params, field) else getattr(env, field)
    described, value = field_at(algorithm, name)
    return _bytes(np.float32(value)) if described.metadata.get("traced") else value


def _bytes(number: Any) -> bytes:
    return (np.asarray(number) + 0).tobytes()  # -0 is 0


def _line(axis: str, first: Any, second: Any) -> str:
    one, other = reprlib.repr(first), reprlib.repr(second)
    how = "" if one == other else " to the program, which computes in float32"
    return f"sweep over {axis}: {one} and {other} are the same value{how}; their runs would be counted twice"
