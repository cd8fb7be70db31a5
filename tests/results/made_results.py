"""Results made of given numbers, without any training."""

import numpy as np

from jaxvf.errors import InputError
from jaxvf.results import Result


def no_policy(run):
    raise InputError(f"run={run} has no trained policy")


def made(methods, *, env="matrix_game/A", steps=(100, 200), metric="test_return", status=(), **fields) -> Result:
    """A result with one run for each row of numbers.

    Args:
        methods: algorithm to one row of numbers for each of its runs, a number an evaluation.
        env: label of the environment, of all runs.
        steps: the axis, of all runs.
        metric: what the numbers are.
        status: of each run; by default finished.
        **fields: further fields of all records.
    """
    runs, rows = [], []
    for algorithm, curves in methods.items():
        for seed, curve in enumerate(curves):
            record = {"run": len(runs), "env": env, "algorithm": algorithm, "seed": seed, **fields}
            runs.append({**record, "status": status[len(runs)] if status else "finished"})
            rows.append(curve)
    values = np.asarray(rows, np.float32)
    return Result(runs, {metric: values}, np.tile(np.asarray(steps), (len(runs), 1)), [], no_policy)


def with_metric(result: Result, name: str, rows) -> Result:
    """The same runs with another metric too."""
    curves = {metric: result.metric(metric) for metric in result.metrics}
    axes = np.stack([result.env_steps_of(row) for row in range(len(result.runs))])
    return Result(result.runs, {**curves, name: np.asarray(rows, np.float32)}, axes, [], no_policy)


def renumbered(result: Result, seed: int) -> Result:
    """The same runs with other seeds, from this one on."""
    records = [{**run, "seed": seed + run["seed"]} for run in result.runs]
    curves = {metric: result.metric(metric) for metric in result.metrics}
    axes = np.stack([result.env_steps_of(row) for row in range(len(records))])
    return Result(records, curves, axes, [], no_policy)
