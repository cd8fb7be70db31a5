"""Several results as one: `jaxvf.concat`, and the rounds of a sweep that adds seeds."""

import reprlib
from collections.abc import Mapping, Sequence

import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.answers import NOTHING_YET
from jaxvf.results.policy import Policy
from jaxvf.results.result import Result
from jaxvf.results.selection import grouped

LABEL = "label"  # the field that tells runs of labelled results apart


def concat(results: Sequence[Result] | Mapping[str, Result]) -> Result:
    """One result that holds the runs of several, numbered on.

    A field that the runs of one result lack is None there, and a metric NaN. Every run keeps its own axis of steps.

    Args:
        results: in a list, or labelled: then every run has a field "label".

    Raises:
        InputError: without a result; if they have no metric in common; or if runs of one condition and seed are in two
            of them, as they would be counted twice: label the results then.
    """
    given = _labelled(results) if isinstance(results, Mapping) else list(results)
    for one in given:
        if not isinstance(one, Result):
            raise InputError(f"concat takes results, not {reprlib.repr(one)}; `jaxvf.load(DIR)` reads one")
    if not given:
        raise InputError("concat needs at least one result")
    check_shared(given)
    joined = merged(given)
    for condition, rows in grouped(joined.runs):
        seeds = [joined.runs[row]["seed"] for row in rows]
        twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
        if twice is not None:
            what = f"{condition['algorithm']} on {condition['env']} with seed {twice}"
            raise InputError(f'{what} is in two of the results; give them labels: concat({{"first": a, "second": b}})')
    return joined


def check_shared(results: Sequence[Result]) -> None:
    """Raise unless all results have a metric in common."""
    if not all(one.metrics for one in results):
        raise InputError(NOTHING_YET)
    shared = set.intersection(*(set(one.metrics) for one in results))
    if not shared:
        named = "; ".join(", ".join(one.metrics[:3]) for one in results)
        raise InputError(f"the results have no metric in common (they begin: {named})")


def merged(results: Sequence[Result]) -> Result:
    """One result of several; runs are numbered on, and told apart by nothing else."""
    fields = dict.fromkeys(name for result in results for run in result.runs for name in run)
    records, offsets = [], np.cumsum([0, *(len(result.runs) for result in results)])
    for result, offset in zip(results, offsets[:-1], strict=True):
        records += [{**dict.fromkeys(fields), **run, "run": int(offset) + run["run"]} for run in result.runs]
    axes = [np.stack([result.env_steps_of(row) for row in range(len(result.runs))]) for result in results]
    longest = max(axis.shape[1] for axis in axes)
    names = dict.fromkeys(name for result in results for name in result.metrics)
    curves = {name: np.concatenate([_curve(result, name, longest) for result in results]) for name in names}
    # A shorter axis repeats its last step, as that of a run with fewer evaluations does.
    padded = np.concatenate([np.pad(axis, ((0, 0), (0, longest - axis.shape[1])), mode="edge") for axis in axes])

    def policy(run: int) -> Policy:
        of = int(np.searchsorted(offsets, run, side="right")) - 1
        if not 0 <= run < offsets[-1]:
            raise InputError(f"run={run} has no trained policy; valid: 0 to {offsets[-1] - 1}")
        return results[of].policy(run - int(offsets[of]))

    timing = [entry for result in results for entry in result.timing]
    return Result(records, curves, padded, timing, policy)


def _curve(result: Result, name: str, longest: int) -> np.ndarray:
    values = result.metric(name) if name in result.metrics else np.full((len(result.runs), 1), np.nan, np.float32)
    return np.pad(values, ((0, 0), (0, longest - values.shape[1])), constant_values=np.nan)


def _labelled(results: Mapping[str, Result]) -> list[Result]:
    found = []
    for label, result in results.items():
        if not isinstance(label, str) or not label:
            raise InputError(f"concat: the label {label!r} is not a name")
        found.append(result.labelled(label) if isinstance(result, Result) else result)
    return found
