"""A result as the JSON that marl-eval reads (Gorsane et al. 2022, arXiv 2209.10485).

environment -> task -> algorithm -> seed -> step_1 ... step_k, each with its "step_count" and metrics, then
"absolute_metrics". marl-eval fills matrices, so every algorithm must have the same tasks, seeds and evaluations.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.comparison import methods_of
from jaxvf.results.paths import usable_path
from jaxvf.results.store import write_atomically

if TYPE_CHECKING:
    from jaxvf.results.result import Result


def write(result: "Result", path: str | Path, metrics: Sequence[str]) -> Path:
    """Write the JSON; returns the path.

    Raises:
        InputError: as `document`, and for a file that is there already.
    """
    path = usable_path(path)
    if path.exists():
        raise InputError(f"{path} exists; name a new file")
    write_atomically(path, json.dumps(document(result, metrics), allow_nan=False).encode())
    return path


def document(result: "Result", metrics: Sequence[str]) -> dict[str, Any]:
    """What marl-eval reads, a metric without its prefix "test_".

    A value is a mean over test episodes, so lists have one element. The paper's absolute metric is that of the best
    policy of a run, played for ten times as many episodes; here it is the last evaluation, of the policy that is kept.

    Args:
        result: of a finished sweep. The part of an environment's name before "/" is marl-eval's environment, all of it
            is the task; a method is a condition.
        metrics: of the result.

    Raises:
        InputError: for a metric that no run has, a run that diverged or is unfinished, and where methods differ in
            tasks, seeds or evaluations.
    """
    curves = {name.removeprefix("test_"): result.metric(name) for name in metrics}
    if not curves:
        raise InputError("metrics=() names nothing to write")
    names, environments, rows_of = methods_of(result)
    for alike in (names, environments):
        if len({name.lower() for name in alike}) < len(alike):
            raise InputError(f"marl-eval makes all names lower case; then some of {alike} are the same")
    found: dict[str, Any] = {}
    expected: tuple[Any, ...] | None = None
    for env in environments:
        for method, by_env in zip(names, rows_of, strict=True):
            rows = by_env.get(env, [])
            seeds = sorted(result.runs[row]["seed"] for row in rows)
            axes = {tuple(_axis(result, row).tolist()) for row in rows}
            shape = tuple(seeds), frozenset(axes)
            expected = expected or shape
            if shape != expected or len(axes) != 1:
                line = f"{method} on {env} has other seeds or evaluations than the rest"
                raise InputError(f"{line}; marl-eval compares equal ones only")
            task = found.setdefault(env.partition("/")[0], {}).setdefault(env, {})
            task[method] = {f"seed_{result.runs[row]['seed']}": _run(result, row, curves) for row in rows}
    return found


def _run(result: "Result", row: int, curves: dict[str, np.ndarray]) -> dict[str, Any]:
    axis = _axis(result, row)
    values = {name: curve[row, : len(axis)] for name, curve in curves.items()}
    for name, of_run in values.items():
        if not np.isfinite(of_run).all():
            status = result.runs[row]["status"]
            raise InputError(f"run {row} ({status}) has no {name} at every evaluation, and marl-eval takes no gaps")
    steps = {
        f"step_{place + 1}": {"step_count": int(at), **{name: [float(of[place])] for name, of in values.items()}}
        for place, at in enumerate(axis)
    }
    return {**steps, "absolute_metrics": {name: [float(of_run[-1])] for name, of_run in values.items()}}


def _axis(result: "Result", row: int) -> np.ndarray:
    """A run's evaluations, without the repeated last step that fills its axis up."""
    axis = result.env_steps_of(row)
    return axis[: int(np.argmax(axis == axis[-1])) + 1]
