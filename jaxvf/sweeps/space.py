"""From a sweep's description to its runs: every environment × algorithm × grid point × seed."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxvf import algorithms, envs
from jaxvf.envs.protocol import Environment
from jaxvf.errors import InputError, unknown
from jaxvf.hyperparameters import coerce, replace


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        index: its row in every result.
        seed: its identity: two runs with one seed share all random streams, wherever they stand.
        env: the environment, unwrapped.
        env_params: its numbers, as NumPy leaves.
        algorithm: the configured algorithm.
        settings: what the sweep set, by dotted name.
        labels: names of environment and algorithm.
    """

    index: int
    seed: int
    env: Environment
    env_params: Any
    algorithm: Any
    settings: dict[str, Any]
    labels: dict[str, str]

    def record(self, status: str) -> dict[str, Any]:
        """Its row in the table of runs."""
        return {"run": self.index, **self.labels, "seed": self.seed, **self.settings, "status": status}


def expand(
    env: Any, algorithm: Any, grid: Mapping[str, Sequence[Any]], seeds: int | Sequence[int]
) -> list[Run]:
    """All runs, ordered by environment, algorithm, grid point and seed.

    Raises:
        InputError: for an unknown name or field, a value out of range, or an empty or repeated axis.
    """
    seed_list = seed_sequence(seeds)
    axes = {name: _values(name, values) for name, values in grid.items()}
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    runs: list[Run] = []
    for env_entry, algorithm_entry in itertools.product(_listed(env), _listed(algorithm)):
        made = envs.make(env_entry)
        learner = algorithms.make(algorithm_entry)
        labels = {
            "env": env_entry if isinstance(env_entry, str) else made.spec.name,
            "algorithm": algorithm_entry if isinstance(algorithm_entry, str) else algorithms.name_of(learner),
        }
        for settings in points:
            configured = _configure(made, learner, settings)
            runs += [
                Run(len(runs) + offset, seed, *configured, settings, labels) for offset, seed in enumerate(seed_list)
            ]
    return runs


def seed_sequence(seeds: int | Sequence[int]) -> list[int]:
    """The seeds of a sweep: 0 ... n-1 for a count n, or the given ones."""
    if isinstance(seeds, int):
        if seeds < 1:
            raise InputError(f"seeds={seeds} must be at least 1")
        return list(range(seeds))
    listed = [int(seed) for seed in seeds]
    if not listed or len(set(listed)) < len(listed):
        raise InputError(f"seeds={listed} must be distinct and at least one")
    if min(listed) < 0 or max(listed) >= 2**31:
        raise InputError(f"seeds={listed} must lie between 0 and {2**31 - 1}")
    return listed


def _configure(env: Environment, algorithm: Any, settings: Mapping[str, Any]) -> tuple[Environment, Any, Any]:
    env_params: dict[str, Any] = {}
    for name, value in settings.items():
        scope, _, field = name.partition(".")
        if scope != "env":
            algorithm = replace(algorithm, name, value)
        elif field in _fields(env.default_params()):
            env_params[field] = value
        elif field in _fields(env):
            env = dataclasses.replace(env, **{field: value})  # pyright: ignore[reportArgumentType]
        else:
            raise unknown(f"field of {env.spec.name}", field, [*_fields(env.default_params()), *_fields(env)])
    return env, _env_params(env, env_params), algorithm


def _env_params(env: Environment, settings: Mapping[str, Any]) -> Any:
    """The environment's numbers with `settings` applied, each with its default's dtype and shape."""
    params = jax.tree.map(np.asarray, env.default_params())
    fields = _fields(params)
    for name, value in settings.items():
        default = np.asarray(getattr(params, name))
        try:
            array = np.asarray(value, default.dtype)
        except (TypeError, ValueError) as error:
            raise InputError(f"env.{name}={value!r} is not a number") from error
        if array.shape != default.shape:
            raise InputError(f"env.{name} has shape {array.shape}; {env.spec.name} takes {default.shape}")
        if array.ndim == 0:
            coerce(fields[name], default.item(), array.item())
        if name == "limit" and array.item() > env.spec.limit_max:
            raise InputError(f"env.limit={array.item()} exceeds limit_max={env.spec.limit_max}; set env.limit_max")
        params = dataclasses.replace(params, **{name: array})
    return params


def _fields(config: Any) -> dict[str, dataclasses.Field]:
    return {field.name: field for field in dataclasses.fields(config) if field.init or field.name == "payoff"}


def _listed(entry: Any) -> list[Any]:
    return list(entry) if isinstance(entry, list | tuple) else [entry]


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray):
        values = [values]
    if not len(values):
        raise InputError(f"sweep over {name} has no values")
    return list(values)
