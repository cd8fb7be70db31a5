"""What a sweep returns: one record a run, curves, and the trained policies."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxvf.errors import unknown
from jaxvf.results.policy import Policy
from jaxvf.results.statistics import Interval, fraction_interval, iqm_interval, probability_of_improvement


class Result:
    """The outcome of a sweep.

    Attributes:
        runs: one record a run: index, environment, algorithm, seed, what the sweep set, status ("finished",
            "diverged" or "unfinished").
        timing: per group of runs, compile seconds apart from run seconds, and environment steps per second.
    """

    def __init__(
        self,
        runs: list[dict[str, Any]],
        curves: dict[str, Float[np.ndarray, "runs evaluations"]],
        env_steps: Int[np.ndarray, "runs evaluations"],
        timing: list[dict[str, Any]],
        policy: Callable[[int], Policy],
    ):
        self.runs, self.timing = runs, timing
        self._curves, self._env_steps, self._policy = curves, env_steps, policy

    @property
    def metrics(self) -> list[str]:
        """Names that `metric` accepts."""
        return sorted(self._curves)

    @property
    def env_steps(self) -> Int[np.ndarray, " evaluations"]:
        """Environment steps at each evaluation: the x axis of every curve.

        Raises:
            ValueError: if static fields gave some runs another axis; then use `env_steps_of`.
        """
        if (self._env_steps != self._env_steps[0]).any():
            raise ValueError("the runs of this sweep are evaluated at different steps: use env_steps_of(run)")
        return self._env_steps[0]

    def env_steps_of(self, run: int | np.integer) -> Int[np.ndarray, " evaluations"]:
        """Environment steps at each evaluation of one run."""
        return self._env_steps[run]

    def metric(self, name: str) -> Float[np.ndarray, "runs evaluations"]:
        """The curves of one metric, e.g. "test_return"; NaN where a run diverged or has no such metric.

        Raises:
            InputError: for a metric that no run has.
        """
        if name not in self._curves:
            raise unknown("metric", name, self._curves)
        return self._curves[name]

    def select(self, **wanted: Any) -> Int[np.ndarray, " selected"]:
        """Rows of the runs whose record has these values, e.g. `select(algorithm="qmix", env="predator_prey")`.

        Raises:
            InputError: for a field that no record has.
        """
        known = {name: None for run in self.runs for name in run}
        for name in wanted:
            if name not in known:
                raise unknown("field of a run", name, known)
        rows = [row for row, run in enumerate(self.runs) if all(_same(run.get(k), v) for k, v in wanted.items())]
        return np.asarray(rows, int)

    def probability_of_improvement(
        self, better: Mapping[str, Any], worse: Mapping[str, Any], metric: str = "test_return"
    ) -> Interval:
        """How likely a run of one condition ends above a run of another, with its 95 % interval.

        Args:
            better: what selects the first condition, e.g. `{"algorithm": "qmix"}`.
            worse: what selects the second.
            metric: compared at the last evaluation; a diverged run loses.
        """
        last = self.metric(metric)[:, -1]
        x, y = last[self.select(**better)], last[self.select(**worse)]
        return probability_of_improvement(x, y, rng=np.random.default_rng(0))

    def policy(self, run: int | np.integer) -> Policy:
        """The greedy policy that a run ended with."""
        return self._policy(int(run))

    def conditions(self) -> list[dict[str, Any]]:
        """Every combination of what differs between runs but the seed, in order of first appearance."""
        seen: list[dict[str, Any]] = []
        for run in self.runs:
            condition = {name: value for name, value in run.items() if name not in ("run", "seed", "status")}
            if not any(_equal(condition, other) for other in seen):
                seen.append(condition)
        return seen

    def summary(self) -> list[dict[str, Any]]:
        """Per condition: runs, how many diverged, and the last evaluation's IQM with its 95 % interval.

        Where the environment reports `optimal` or `won`, also the fraction of runs that end there.
        """
        rows = []
        for condition in self.conditions():
            chosen = self.select(**condition)
            last = self.last("test_return")[chosen]
            diverged = sum(self.runs[row]["status"] == "diverged" for row in chosen)
            row = {**condition, "runs": len(chosen), "diverged": diverged}
            dropped = sum(self.runs[row]["status"] == "dropped" for row in chosen)  # by successive halving
            if dropped:
                row["dropped"] = dropped
            row["test_return"] = _of_one_column(iqm_interval(last[:, None], rng=np.random.default_rng(0)))
            for name in ("optimal", "won"):
                if f"test_{name}" in self._curves:
                    reached = self.last(f"test_{name}")[chosen]
                    row[f"fraction_{name}"] = fraction_interval(int((reached >= 0.5).sum()), len(chosen))
            rows.append(row)
        return rows

    def last(self, name: str) -> Float[np.ndarray, " runs"]:
        """A metric at each run's own last evaluation: some runs may have fewer than others.

        Raises:
            InputError: for a metric that no run has.
        """
        last = np.argmax(self._env_steps == self._env_steps[:, -1:], axis=1)
        return np.take_along_axis(self.metric(name), last[:, None], axis=1)[:, 0]


def assemble(parts: Sequence[tuple[Sequence[int], dict[str, np.ndarray], np.ndarray]], runs: int) -> tuple[Any, Any]:
    """Curves and step axes [runs, evaluations] of a sweep from those of its chunks.

    Args:
        parts: per chunk: rows of its runs, metrics [evaluations, runs of the chunk], steps [evaluations].
        runs: number of runs of the sweep.
    """
    longest = max(len(steps) for _, _, steps in parts)
    curves: dict[str, np.ndarray] = {}
    env_steps = np.zeros((runs, longest), np.int64)
    for rows, metrics, steps in parts:
        env_steps[rows, : len(steps)] = steps
        env_steps[rows, len(steps) :] = steps[-1]
        for name, values in metrics.items():
            curve = curves.setdefault(name, np.full((runs, longest), np.nan, np.float32))
            curve[rows, : len(values)] = values.T
    return curves, env_steps


def _of_one_column(interval: Interval) -> Interval:
    return Interval(*(float(np.asarray(value).reshape(-1)[-1]) for value in interval))


def _same(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else a == b


def _equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
