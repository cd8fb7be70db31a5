"""What a report is about: the runs of one or several directories in one table, and the metrics they share."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.errors import InputError, unknown
from jaxvf.results.answers import FRACTIONS, REACHED
from jaxvf.results.paths import no_sweep, sweeps_below
from jaxvf.results.result import Result
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import load

MAIN = "test_return"
GOALS = tuple(FRACTIONS.values())  # 1 where an episode reached what its environment is about


@dataclasses.dataclass(frozen=True)
class Source:
    """One directory: what the report calls it, where it is, its results, and all of its run.json."""

    label: str
    path: Path
    result: Result
    document: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Study:
    """All runs of a report, one row each.

    Attributes:
        sources: the directories.
        records: the record of every run, with "directory" in front; "run" is its number there.
        source: place of every run's directory among `sources`.
        metrics: names of the metrics shown, the main one first.
        goal: the one of them that says whether a run reached its goal, or None.
        curves: by metric; NaN after a run's last evaluation.
        env_steps: at each evaluation of each run; a run with fewer evaluations repeats its last.
        last: by metric, the value at the last evaluation that a run has; NaN where it diverged or was not evaluated.
    """

    sources: list[Source]
    records: list[dict[str, Any]]
    source: Int[np.ndarray, " runs"]
    metrics: list[str]
    goal: str | None
    curves: dict[str, Float[np.ndarray, "runs evaluations"]]
    env_steps: Int[np.ndarray, "runs evaluations"]
    last: dict[str, Float[np.ndarray, " runs"]]

    @property
    def main(self) -> str:
        """The metric that is compared."""
        return self.metrics[0]

    @property
    def compared(self) -> list[str]:
        """The metrics that conditions are compared by: the goal's where there is one, then the main one."""
        return list(dict.fromkeys(name for name in (self.goal, self.main) if name is not None))

    def status(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Of some runs: finished, diverged, unfinished or dropped (by a search)."""
        return [self.records[row]["status"] for row in rows]

    def begun(self, rows: Sequence[int] | np.ndarray) -> Int[np.ndarray, " begun"]:
        """Those of some runs that can be judged: evaluated at least once, or diverged."""
        seen = np.isfinite(self.curves[self.main][rows]).any(axis=1)
        diverged = np.asarray([status == "diverged" for status in self.status(rows)], bool)
        return np.asarray(rows, int)[seen | diverged]

    @functools.cached_property
    def _with_goal(self) -> set[str]:
        """Environments that report the goal's metric."""
        if self.goal is None:
            return set()
        known = np.asarray(np.isfinite(self.curves[self.goal]).any(axis=1))
        return {record["env"] for record, knows in zip(self.records, known.tolist(), strict=True) if knows}

    def has_goal(self, rows: Sequence[int] | np.ndarray) -> bool:
        """Whether there is a fraction to give: there are runs, and some run of their environments reports the goal."""
        return any(self.records[row]["env"] in self._with_goal for row in rows)

    def reached(self, rows: Sequence[int] | np.ndarray) -> Bool[np.ndarray, " some"]:
        """Whether each of some runs reached the goal at its last evaluation; a diverged one did not."""
        assert self.goal is not None
        return self.last[self.goal][np.asarray(rows, int)] >= REACHED


def read(directories: Sequence[Path], metrics: Sequence[str] = ()) -> Study:
    """The runs of directories; nothing in them is executed, and no class of theirs need be known.

    Args:
        directories: run directories, or directories that hold some (of an experiment).
        metrics: what to show, the main one first; by default the test return, and whether the goal was reached.

    Raises:
        InputError: if a directory holds no sweep, or a metric is not in all of them.
    """
    if not directories:
        raise InputError("report: name at least one run directory")
    paths = [found for directory in directories for found in _sweeps_in(directory)]
    twice = {path for path in paths if [one.resolve() for one in paths].count(path.resolve()) > 1}
    if twice:
        raise InputError(f"report: {min(twice)} is named twice; its runs would be counted twice")
    sources = [
        Source(label, path, load(path), RunDirectory(path).read_json())
        for label, path in zip(_labels(paths), paths, strict=True)
    ]
    shown, goal = _metrics(sources, metrics)
    return _joined(sources, shown, goal)


def _sweeps_in(directory: Path) -> list[Path]:
    """The sweeps that a directory stands for."""
    found = sweeps_below(directory)
    if not found:
        raise no_sweep(directory)
    return found


def _labels(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart."""
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(part[-length:]) for part in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [str(path) for path in paths]  # they differ, so some length told them apart


def _metrics(sources: Sequence[Source], wanted: Sequence[str]) -> tuple[list[str], str | None]:
    """The metrics to show and the goal's, which all sources have."""
    common = set.intersection(*(set(source.result.metrics) for source in sources))
    if not common:
        empty = [source.label for source in sources if not source.result.metrics]
        raise InputError(
            f"{empty[0]} has not been evaluated yet; `jaxvf resume` goes on with it"
            if empty
            else f"{sources[0].label} and {sources[1].label} have no metric in common; report them one by one"
        )
    for name in wanted:
        for source in sources:
            if name not in source.result.metrics:
                raise unknown(f"metric of {source.label}", name, common)
    goals = {source.label: next((goal for goal in GOALS if goal in source.result.metrics), None) for source in sources}
    agreed = set(goals.values())
    if len(agreed) > 1 and not wanted:
        (one, its), (other, others) = _first_two(goals)
        raise InputError(
            f"{one} reports {its or 'no goal'} and {other} {others or 'no goal'}; "
            f"compare what both have with --metric {MAIN if MAIN in common else min(common)}"
        )
    goal = agreed.pop() if len(agreed) == 1 else None
    shown = list(dict.fromkeys(wanted)) or [MAIN if MAIN in common else min(common)]
    if goal is not None and goal not in shown:
        shown.append(goal)
    return shown, goal


def _first_two(goals: dict[str, str | None]) -> list[tuple[str, str | None]]:
    """The first source, and the first whose goal is another."""
    first = next(iter(goals.items()))
    return [first, next(item for item in goals.items() if item[1] != first[1])]


def _joined(sources: list[Source], metrics: list[str], goal: str | None) -> Study:
    records = [{"directory": source.label, **run} for source in sources for run in source.result.runs]
    source = np.repeat(np.arange(len(sources)), [len(one.result.runs) for one in sources])
    steps = [np.stack([one.result.env_steps_of(row) for row in range(len(one.result.runs))]) for one in sources]
    longest = max(axis.shape[1] for axis in steps)
    env_steps = np.concatenate([np.pad(axis, ((0, 0), (0, longest - axis.shape[1])), mode="edge") for axis in steps])
    curves = {
        name: np.concatenate([_padded(np.asarray(one.result.metric(name), np.float32), longest) for one in sources])
        for name in metrics
    }
    status = [record["status"] for record in records]
    last = {name: _last(curve, env_steps, status) for name, curve in curves.items()}
    return Study(sources, records, source, metrics, goal, curves, env_steps, last)


def _padded(curve: np.ndarray, longest: int) -> np.ndarray:
    return np.pad(curve, ((0, 0), (0, longest - curve.shape[1])), constant_values=np.nan)


def _last(curve: np.ndarray, env_steps: np.ndarray, status: Sequence[str]) -> Float[np.ndarray, " runs"]:
    """A run's value at its last evaluation; of one that goes on or was dropped, at the last it reached."""
    own = np.argmax(env_steps == env_steps[:, -1:], axis=1)
    reached = curve.shape[1] - 1 - np.argmax(~np.isnan(curve[:, ::-1]), axis=1)
    at = np.where([one == "finished" for one in status], own, reached)
    last = np.take_along_axis(curve, at[:, None], axis=1)[:, 0].astype(np.float64)
    return np.where([one == "diverged" for one in status], np.nan, last)
