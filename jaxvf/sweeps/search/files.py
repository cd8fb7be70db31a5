"""What a run directory holds of a search: curves as far as each run got, who left when, checkpoints."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.arrays import load_tree, save_tree
from jaxvf.results.store import RunDirectory, write_atomically
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.plan import Group
from jaxvf.sweeps.unit_files import Curves, last_segment, policy_shapes, write_curves

UNIT = "search"  # what a sweep calls a unit: here all runs are one


class Leaving(NamedTuple):
    """Runs that left the program together: dropped at a rung, or at the end.

    Attributes:
        done: segments that they were trained for.
        rows: their numbers.
        diverged: which of them diverged.
    """

    done: int
    rows: list[int]
    diverged: list[bool]


class SearchFiles:
    """Saves and finds the parts of a search."""

    def __init__(self, out: RunDirectory):
        self.out = out
        self.checkpoints = Checkpoints(out.path / "checkpoints" / UNIT)

    def newest(self, group: Group) -> int:
        """Iterations at the newest checkpoint; whatever was written after it is removed, to be computed again."""
        self.checkpoints.clear_unlisted()
        iteration = (self.checkpoints.steps() or [0])[-1]
        done = iteration // group.program.iterations
        self.out.remove_parts(lambda part: last_segment(part) > done)
        for leaving in self.leavings():
            if leaving.done > done:
                self._record(leaving.done).unlink()
                self._policies(leaving.done).unlink(missing_ok=True)
        return iteration

    def save(self, group: Group, done: int, rows: np.ndarray, curves: Curves, state: Any) -> None:
        """Store the curves of runs `rows` since the last save, then a checkpoint of the state (runs, clock, ...)."""
        self.write_curves(group, done, rows, curves)
        self.checkpoints.save(int(state[1].iteration), state)

    def write_curves(self, group: Group, done: int, rows: np.ndarray, curves: Curves) -> None:
        """Store the curves of runs `rows` since the last save, up to segment `done`."""
        write_curves(self.out, UNIT, [group.runs[row] for row in rows], group, done, curves)

    def leave(self, leaving: Leaving, params: Any) -> None:
        """Store the parameters of runs that leave, then that they left."""
        save_tree(self._policies(leaving.done), params)
        write_atomically(self._record(leaving.done), json.dumps(leaving._asdict()).encode())

    def leavings(self) -> list[Leaving]:
        """All runs that left so far, in order.

        Raises:
            InputError: if a file is damaged.
        """
        return [_leaving(path) for path in sorted((self.out.path / "units").glob(f"{UNIT}-s*.json"))]

    def params(self, leaving: Leaving, group: Group) -> Any:
        """The parameters of runs that left, with a leading runs axis."""
        return load_tree(self._policies(leaving.done), policy_shapes(group, len(leaving.rows)))

    def curves(self, group: Group) -> dict[str, np.ndarray]:
        """Every metric as an array [runs, segments], NaN where a run was not trained."""
        columns = self.out.read_metrics()
        segments = columns["env_steps"] // group.program.segment_steps - 1
        if len(segments) and (segments.max() >= group.segments or columns["run"].max() >= len(group.runs)):
            raise InputError(f"{self.out.path / 'metrics'} holds runs or steps that this search has not")
        curves = {}
        for name in np.unique(columns["metric"]):
            of_metric = columns["metric"] == name
            curve = np.full((len(group.runs), group.segments), np.nan, np.float32)
            curve[columns["run"][of_metric], segments[of_metric]] = columns["value"][of_metric]
            curves[str(name)] = curve
        return curves

    def _record(self, done: int) -> Path:
        return self.out.path / "units" / f"{UNIT}-s{done:06d}.json"

    def _policies(self, done: int) -> Path:
        return self.out.path / "policies" / f"{UNIT}-s{done:06d}.npz"


def trained_segments(leavings: Sequence[Leaving], group: Group) -> np.ndarray:
    """Segments that each run is trained for: all, unless it was dropped."""
    segments = np.full(len(group.runs), group.segments)
    for leaving in leavings:
        segments[leaving.rows] = leaving.done
    return segments


def _leaving(path: Path) -> Leaving:
    try:
        found = Leaving(**json.loads(path.read_bytes()))
        whole = all(type(row) is int for row in [found.done, *found.rows])
        if whole and len(found.rows) == len(found.diverged) and found.done == last_segment(path.stem):
            return found
    except (OSError, ValueError, TypeError):
        pass
    raise InputError(f"{path} is damaged; everything else is intact")
