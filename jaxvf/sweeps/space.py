"""From a sweep's description to its runs: every environment × algorithm × grid point × seed."""

import dataclasses
import inspect
import itertools
import math
import numbers
import reprlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import jax
import numpy as np

from jaxvf import algorithms, envs
from jaxvf.envs.protocol import Environment
from jaxvf.errors import InputError, unknown
from jaxvf.hyperparameters import coerce, field_at, replace
from jaxvf.serialize import to_json
from jaxvf.sweeps.repeats import check_distinct
from jaxvf.sweeps.values import SEED, is_drawn, listed
from jaxvf.training import observed_by

MOST_RUNS = 10_000_000  # a sweep keeps a record of each
LONGEST_LABEL = 80  # characters; it stands in a figure's legend


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

    def meaning(self) -> list[Any]:
        """All that its numbers depend on, as JSON."""
        return [self.index, self.seed, to_json(self.algorithm), to_json(self.env_params)]

    def record(self, status: str) -> dict[str, Any]:
        """Its row in the table of runs."""
        return {"run": self.index, **self.labels, "seed": self.seed, **self.settings, "status": status}


def expand(
    env: Any, algorithm: Any, grid: Mapping[str, Any], seeds: int | Sequence[int], root_seed: int = 0
) -> list[Run]:
    """All runs, ordered by environment, algorithm, grid point and seed.

    Args:
        env: as in `Sweep`.
        algorithm: as in `Sweep`.
        grid: as in `Sweep`.
        seeds: as in `Sweep`.
        root_seed: what drawn values are drawn with.

    Raises:
        InputError: for an unknown name or field, a value out of range, an axis without values, a value that is
            repeated, a field on two axes, or drawn values of a field that is static.
    """
    seed_list = seed_sequence(seeds)
    if not isinstance(grid, Mapping) or not all(isinstance(name, str) for name in grid):
        raise InputError(f"sweep={reprlib.repr(grid)} is not a mapping from fields to values")
    axes = {name: _values(name, values) for name, values in listed(grid, root_seed).items()}
    _check_axes(axes, seed_list)
    drawn = [field for axis, values in grid.items() if is_drawn(values) for field in axis.split(",")]
    parts = (env, algorithm, seed_list, *axes.values())
    count = math.prod(len(part) for part in parts if isinstance(part, list | tuple | Mapping))
    if count > MOST_RUNS:
        raise InputError(f"the sweep has {count:,} runs, more than {MOST_RUNS:,}; give fewer values or seeds")
    points = [_settings(axes, values) for values in itertools.product(*axes.values())]
    runs: list[Run] = []
    for (env_label, made), (learner_label, learner) in itertools.product(
        _labelled(_listed("env", env), envs.make, lambda one: one.spec.name),
        _labelled(_listed("algorithm", algorithm), algorithms.make, algorithms.name_of),
    ):
        labels = {"env": env_label, "algorithm": learner_label}
        _refuse_static(drawn, made, learner)
        configured = [_configure(made, learner, settings) for settings in points]
        check_distinct(axes, points, configured)
        for settings, parts in zip(points, configured, strict=True):
            own = seed_sequence([settings[SEED]]) if SEED in settings else seed_list
            runs += [Run(len(runs) + offset, seed, *parts, settings, labels) for offset, seed in enumerate(own)]
    return runs


def seed_sequence(seeds: int | Sequence[int]) -> list[int]:
    """The seeds of a sweep: 0 ... n-1 for a count n, or the given ones."""
    if _is_whole(seeds):
        if seeds < 1:
            raise InputError(f"seeds={reprlib.repr(seeds)} must be at least 1")
        if seeds > MOST_RUNS:
            raise InputError(f"seeds={reprlib.repr(seeds)} must be at most {MOST_RUNS:,}")
        return list(range(int(seeds)))
    if not isinstance(seeds, Sequence | np.ndarray) or not all(_is_whole(seed) for seed in seeds):
        raise InputError(f"seeds={reprlib.repr(seeds)} is neither a whole number nor a list of them")
    chosen = [int(seed) for seed in seeds]
    if not chosen:
        raise InputError("seeds=[] names no seed")
    twice = [seed for seed, count in Counter(chosen).items() if count > 1]
    if twice:
        raise InputError(f"seeds: {twice[0]} and {twice[0]} are the same seed; their runs would be counted twice")
    if min(chosen) < 0 or max(chosen) >= 2**31:
        raise InputError(f"seeds={reprlib.repr(chosen)} must lie between 0 and {2**31 - 1}")
    return chosen


def with_static(env: Environment, settings: Mapping[str, Any]) -> Environment:
    """An environment with other sizes, or whatever else its programs are compiled for.

    All at once, for some fields are valid only together.

    Raises:
        InputError: for a field that is not there, or a value that it does not accept.
    """
    fields = _fields(env)
    for field in settings:
        if field not in fields and field in _fields(env.default_params()):
            raise InputError(f"{field} is a number of {env.spec.name} and no part of it: give env.{field} in the grid")
        if field not in fields:
            raise unknown(f"field of {env.spec.name}", field, fields)
    changes = {field: coerce(fields[field], getattr(env, field), value) for field, value in settings.items()}
    return dataclasses.replace(env, **changes) if changes else env  # pyright: ignore[reportArgumentType]


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _settings(axes: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    """One grid point by field; an axis "a,b" varies several fields together, each value a tuple."""
    settings: dict[str, Any] = {}
    for axis, value in zip(axes, values, strict=True):
        fields = axis.split(",")
        together = [value] if len(fields) == 1 else value
        if len(fields) > 1 and (not isinstance(value, list | tuple) or len(value) != len(fields)):
            raise InputError(f"sweep over {axis}: {value!r} does not give each of its {len(fields)} fields a value")
        settings.update(zip(fields, together, strict=True))
    return settings


def _configure(env: Environment, algorithm: Any, settings: Mapping[str, Any]) -> tuple[Environment, Any, Any]:
    env_params: dict[str, Any] = {}
    static: dict[str, Any] = {}
    for name, value in settings.items():
        scope, _, field = name.partition(".")
        if name == SEED:
            continue
        if scope != "env":
            algorithm = replace(algorithm, name, value)
        elif field in _fields(env.default_params()):
            env_params[field] = value
        elif field in _fields(env):
            static[field] = value
        else:
            raise unknown(f"field of {env.spec.name}", field, {**_fields(env.default_params()), **_fields(env)})
    env = with_static(env, static)
    algorithm.check(observed_by(algorithm, env))
    return env, _env_params(env, env_params), algorithm


def _refuse_static(drawn: Sequence[str], env: Environment, algorithm: Any) -> None:
    """Only numbers that share a program are drawn: each value of another field compiles a program of its own."""
    for name in drawn:
        scope, _, field = name.partition(".")
        if name == SEED:
            raise InputError("sweep over seed: seeds are not drawn; say how many there are, or list them")
        if scope == "env":
            static = field in _fields(env) and field not in _fields(env.default_params())
        else:
            static = not field_at(algorithm, name)[0].metadata.get("traced")
        if static:
            raise InputError(f"sweep over {name}: a static field compiles a program a value; list the values")


def _env_params(env: Environment, settings: Mapping[str, Any]) -> Any:
    """The environment's numbers with `settings` applied, each with its default's dtype and shape."""
    params = jax.tree.map(np.asarray, env.default_params())
    fields = _fields(params)
    for name, value in settings.items():
        if not jax.tree_util.all_leaves([getattr(params, name)]):
            raise InputError(f"env.{name} is no number, nor a table of them: give it to the environment itself")
        default, shown = np.asarray(getattr(params, name)), reprlib.repr(value)
        try:
            given = np.asarray(value, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"env.{name}={shown} is not a number, nor a rectangular table of them") from error
        except OverflowError as error:
            raise InputError(f"env.{name}={shown} exceeds what {default.dtype} holds") from error
        if given.shape != default.shape:
            raise InputError(f"env.{name} has shape {given.shape}; {env.spec.name} takes {default.shape}")
        if not np.isfinite(given).all():
            raise InputError(f"env.{name}={shown} is not finite")
        if default.dtype.kind in "iu" and (given % 1).any():
            raise InputError(f"env.{name}={shown} is not a whole number")
        bounds = np.iinfo(default.dtype) if default.dtype.kind in "iu" else np.finfo(default.dtype)
        if (given < float(bounds.min)).any() or (given > float(bounds.max)).any():
            largest = f"{float(bounds.max):g}, the largest that {default.dtype} holds"
            raise InputError(f"env.{name}={shown} exceeds {largest}")
        array = given.astype(default.dtype)
        if array.ndim == 0:
            coerce(fields[name], default.item(), array.item())
        if name == "limit" and array.item() > env.spec.limit_max:
            hint = "; set env.limit_max" if hasattr(env, "limit_max") else ""
            raise InputError(f"env.limit={array.item()} exceeds limit_max={env.spec.limit_max}{hint}")
        params = dataclasses.replace(params, **{name: array})
    env.check_params(params)
    return params


def _fields(config: Any) -> dict[str, dataclasses.Field]:
    if not dataclasses.is_dataclass(config):  # a user's own, whose numbers are then fixed
        return {}
    # A class with an `__init__` of its own may derive some of its fields; only its arguments can be set.
    arguments = inspect.signature(type(config)).parameters
    return {field.name: field for field in dataclasses.fields(config) if field.name in arguments}


def _listed(kind: str, entry: Any) -> list[tuple[str | None, Any]]:
    """Entries with the labels that the user gave them, if any."""
    pairs: list[tuple[str | None, Any]]
    if isinstance(entry, Mapping):
        pairs = [(checked_label(kind, label), one) for label, one in entry.items()]
    else:
        pairs = [(None, one) for one in (entry if isinstance(entry, list | tuple) else [entry])]
    if not pairs:
        raise InputError(f"{kind} names nothing to run")
    names = Counter(one for label, one in pairs if label is None and isinstance(one, str))
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise InputError(f"{kind} names {twice[0]!r} twice; their runs would be equal")
    return pairs


def checked_label(kind: str, label: Any) -> str:
    """A label that a user gives an environment or an algorithm.

    Raises:
        InputError: for one that is no text, cannot be printed on a line, or is a key of how files describe objects.
    """
    if not isinstance(label, str) or not label.strip() or not label.isprintable() or len(label) > LONGEST_LABEL:
        raise InputError(f"{kind}: the label {label!r} is not a text of 1 to {LONGEST_LABEL} printable characters")
    if label in ("class", "fields"):
        raise InputError(f"{kind}: the label {label!r} is what files describe objects with; choose another")
    return label


def _labelled(
    entries: Sequence[tuple[str | None, Any]], make: Callable[[Any], Any], name: Callable[[Any], str]
) -> list[tuple[str, Any]]:
    """What `make` gives for each entry, with its label; labels that several entries share are numbered."""
    made = [make(entry) for _, entry in entries]
    labels = [
        own or (entry if isinstance(entry, str) else name(one)) for (own, entry), one in zip(entries, made, strict=True)
    ]
    # Without numbers the runs of two games, or of two settings of one learner, could not be told apart in results.
    shared = {label for label, count in Counter(labels).items() if count > 1}
    numbered = [f"{label}#{place}" if label in shared else label for place, label in enumerate(labels)]
    return list(zip(numbered, made, strict=True))


def _check_axes(axes: Mapping[str, Any], seeds: list[int]) -> None:
    fields = Counter(field for axis in axes for field in axis.split(","))
    if SEED in fields and seeds != [0]:
        raise InputError(f"sweep over {SEED} beside seeds={seeds}; an axis with {SEED} says all seeds there are")
    twice = [field for field, count in fields.items() if count > 1]
    if twice:
        raise InputError(f"sweep over {twice[0]} twice; a field can be on one axis only")


def _values(name: str, values: Any) -> list[Any]:
    if hasattr(values, "tolist"):  # an array, of NumPy or on a device: Python numbers, whose range can be checked
        values = np.asarray(values).tolist()
    if isinstance(values, Iterator):  # it could be read only once, and a sweep reads it again
        raise InputError(f"sweep over {name}: {type(values).__name__} is an iterator; make it a list")
    several: list[Any] = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    if not several:
        raise InputError(f"sweep over {name} has no values")
    return [np.asarray(value).tolist() if hasattr(value, "tolist") else value for value in several]
