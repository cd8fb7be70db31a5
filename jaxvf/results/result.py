"""What a sweep returns: one record a run, curves, and the trained policies."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float, Int

from jaxvf.errors import InputError, unknown
from jaxvf.results import answers
from jaxvf.results.policy import Policy
from jaxvf.results.selection import grouped, selected
from jaxvf.results.statistics import Interval, probability_of_improvement

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


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
            InputError: for a metric that no run has, or if no run has been evaluated yet.
        """
        if not self._curves:
            raise InputError(answers.NOTHING_YET)
        if name not in self._curves:
            raise unknown("metric", name, self._curves)
        return self._curves[name]

    def select(self, **wanted: Any) -> Int[np.ndarray, " selected"]:
        """Rows of the runs whose record has these values.

            select(algorithm="qmix", env="predator_prey")
            select(algorithm=["vdn", "qmix"], learning_rate=lambda value: value > 1e-4)

        Args:
            **wanted: by field a value, a list of values of which a run has one, or a predicate of the value.

        Raises:
            InputError: for a field that no record has, or a value that no run has, with the nearest that runs have. A
                predicate may hold of no run.
        """
        return np.asarray(selected(self.runs, wanted), int)

    def probability_of_improvement(
        self, better: Mapping[str, Any], worse: Mapping[str, Any], metric: str = "test_return"
    ) -> Interval:
        """How likely a run of one condition ends above a run of another, with its 95 % interval.

        Args:
            better: what selects the first condition, e.g. `{"algorithm": "qmix"}`.
            worse: what selects the second.
            metric: compared at each run's last evaluation; a diverged run loses.
        """
        last = self.last(metric)
        x, y = last[self.select(**better)], last[self.select(**worse)]
        return probability_of_improvement(x, y, rng=np.random.default_rng(0))

    def policy(self, run: int | np.integer) -> Policy:
        """The greedy policy that a run ended with."""
        policy = self._policy(int(run))
        ended = {name: float(self.last(name)[run]) for name in self.metrics if name.startswith("test_")}
        policy.about = {**self.runs[int(run)], "env_steps": int(self.env_steps_of(run)[-1]), **ended}
        return policy

    def labelled(self, label: str) -> "Result":
        """The same runs with a further field "label" in front of their conditions."""
        runs = [{"run": run["run"], "label": label, **run} for run in self.runs]
        return Result(runs, self._curves, self._env_steps, self.timing, self._policy)

    def conditions(self) -> list[dict[str, Any]]:
        """Every combination of what differs between runs but the seed, in order of first appearance."""
        return [condition for condition, _ in grouped(self.runs)]

    def summary(self) -> list[dict[str, Any]]:
        """Per condition: runs, how many diverged, and the last evaluation's IQM with its 95 % interval.

        Where the environment reports `optimal` or `won`, also the fraction of runs that end there.
        """
        rows = []
        for condition, chosen in grouped(self.runs):
            row = {**condition, "runs": len(chosen), "diverged": 0}
            for status in ("diverged", "dropped", "unfinished"):  # dropped by successive halving
                count = sum(self.runs[row]["status"] == status for row in chosen)
                if count or status in row:
                    row[status] = count
            row["test_return"] = answers.answer(self, chosen, "test_return")
            for name, metric in answers.FRACTIONS.items():
                if answers.has_metric(self, chosen, metric):
                    row[name] = answers.answer(self, chosen, name)
            rows.append(row)
        return rows

    def to_pandas(
        self, table: Literal["runs", "curves"] = "runs", metrics: Sequence[str] | None = None
    ) -> "pandas.DataFrame":
        """A data frame; needs pandas (`pip install 'jaxvf[pandas]'`).

        Args:
            table: "runs" has one row a run, with its metrics at its last evaluation; "curves" one row for every
                evaluation of every run, with the column `env_steps`.
            metrics: which; by default all.

        Raises:
            InputError: for another table, a metric that no run has, or without pandas.
        """
        from jaxvf.results.frames import data_frame

        return data_frame(self, table, self.metrics if metrics is None else metrics)

    def plot(self, metric: str | None = None) -> "Figure":
        """A matplotlib figure of curves with 95 % intervals, one line per condition.

        Args:
            metric: what to draw, as IQM over runs; or "fraction_optimal" or "fraction_won". By default a fraction
                where the environment reports one, else "test_return".

        Raises:
            InputError: for a metric that no run has, or if nothing is evaluated yet.
        """
        from jaxvf.results.comparison_plots import curves
        from jaxvf.results.shown import displayable

        return displayable(curves(self, metric))

    def to_marl_eval(self, path: str | Path, metrics: Sequence[str] = ("test_return",)) -> Path:
        """Write the JSON that marl-eval reads (Gorsane et al. 2022, arXiv 2209.10485); returns the path.

        Raises:
            InputError: for a metric that no run has, runs that marl-eval could not compare, or an existing file.
        """
        from jaxvf.results.marl_eval import write

        return write(self, path, metrics)

    def __repr__(self) -> str:
        from jaxvf.results import shown

        return shown.text(self)

    def _repr_html_(self) -> str:
        from jaxvf.results import shown

        return shown.html(self)

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
