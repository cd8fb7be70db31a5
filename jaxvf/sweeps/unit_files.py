"""What a run directory holds of the units of a sweep: parts of their curves, checkpoints, results."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.arrays import load_tree, save_tree
from jaxvf.results.policy import params_shapes
from jaxvf.results.sections import read_unit
from jaxvf.results.store import RunDirectory, write_atomically
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.lease import holder_of
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.space import Run
from jaxvf.sweeps.units import Unit, planned_units


@dataclasses.dataclass
class Curves:
    """Metrics of consecutive segments: names, and of each segment an array [metrics, runs]."""

    names: tuple[str, ...]
    segments: list[np.ndarray]

    def by_name(self) -> dict[str, np.ndarray]:
        """Every metric as an array [segments, runs]."""
        stacked = np.stack(self.segments, axis=1)
        return dict(zip(self.names, stacked, strict=True))


@dataclasses.dataclass
class UnitResult:
    """What a finished unit leaves.

    Attributes:
        params: parameters of its runs.
        diverged: which of them diverged.
        record: seconds, environment steps taken in them and what compiling said, for `run.json`.
        metrics: its curves [segments, runs]; empty where files hold them.
    """

    params: Any
    diverged: np.ndarray
    record: dict[str, Any]
    metrics: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


class UnitFiles:
    """Saves and finds units; without a directory nothing is saved and nothing found."""

    def __init__(self, out: RunDirectory | None):
        self.out = out

    def is_finished(self, unit: Unit) -> bool:
        """Whether a process finished the unit."""
        return self.out is not None and self._record_path(unit).is_file()

    def begun(self, index: int) -> bool:
        """Whether anything of the group with this number is stored, so that its cut into units is settled."""
        if self.out is None:
            return False
        of_group = f"g{index:03d}-"
        finished = [path.stem for path in self.out.unit_records()]
        return any(name.startswith(of_group) for name in [*finished, *self.out.parts()])

    def saved(self, index: int) -> bool:
        """Whether a unit of the group has a checkpoint, perhaps within its first segment."""
        return self.out is not None and any((self.out.path / "checkpoints").glob(f"g{index:03d}-*/*.json"))

    def reached(self) -> dict[str, int]:
        """Segments of units, by name, whose curves are stored."""
        parts = self.out.parts() if self.out is not None else []
        return {_unit_of(part): last_segment(part) for part in parts}  # sorted: the last one counts

    def record(self, unit: Unit) -> dict[str, Any]:
        """What `finish` recorded of a unit: the fate of its runs, seconds, environment steps.

        Raises:
            InputError: if its file is damaged.
        """
        return read_unit(self._record_path(unit))

    def params(self, unit: Unit, group: Group) -> Any:
        """The final parameters of a finished unit, with a leading runs axis."""
        return load_tree(self._policy_path(unit), policy_shapes(group, len(unit.runs)))

    def resume(self, unit: Unit, group: Group, start: Any) -> tuple[int, Any]:
        """How far a unit is, in iterations, and the state to go on from: its newest checkpoint's, or `start`."""
        if self.out is None:
            return 0, start
        checkpoints = self._checkpoints(unit)
        checkpoints.clear_unlisted()
        steps = checkpoints.steps()
        iteration = steps[-1] if steps else 0
        done = iteration // group.program.iterations
        # A part written after the newest checkpoint will be computed again.
        self.out.remove_parts(lambda part: _unit_of(part) == unit.name and last_segment(part) > done)
        if not steps:
            return 0, start
        self._curves(unit, done)  # found damaged or missing now, and not when the sweep is over
        runs, clock = checkpoints.restore(iteration, (without_filling(start[0], len(unit.runs)), start[1]))
        return iteration, (filled_up(runs, start[0]), clock)

    def save(self, unit: Unit, group: Group, done: int, curves: Curves, state: Any) -> None:
        """Store a unit after `done` segments, and perhaps a part of one; `curves` are those that no part holds."""
        if self.out is None:
            return
        # The part first: should the process die in between, resuming drops it and computes it again.
        write_curves(self.out, unit.name, unit.runs, group, done, curves)
        runs, clock = state
        self._checkpoints(unit).save(int(clock.iteration), (without_filling(runs, len(unit.runs)), clock))

    def finish(self, unit: Unit, group: Group, curves: Curves, result: UnitResult) -> None:
        """Store the rest of a finished unit's curves, its parameters and its fate."""
        if self.out is None:
            return
        write_curves(self.out, unit.name, unit.runs, group, group.segments, curves)
        save_tree(self._policy_path(unit), result.params)
        record = {**result.record, "diverged": result.diverged.tolist()}
        write_atomically(self._record_path(unit), json.dumps(record, indent=1).encode())
        self._checkpoints(unit).clear()

    def clear_leftovers(self, plan: Plan) -> None:
        """Remove what processes that were killed left behind: temporary files, checkpoints that nobody needs."""
        if self.out is None:
            return
        going_on = {unit.name for unit, _ in planned_units(plan) if not self.is_finished(unit)}
        for path in (self.out.path / "checkpoints").glob("*"):
            if path.name not in going_on:
                shutil.rmtree(path, ignore_errors=True)
        for path in [*self.out.path.glob(".*.tmp"), *self.out.path.glob("*/.*.tmp"), *self.out.leases()]:
            if holder_of(path) is None:  # not what a living process is about to make its lease
                path.unlink(missing_ok=True)

    def _curves(self, unit: Unit, segments: int) -> dict[str, np.ndarray]:
        """Curves [segments, runs] of a unit from its parts."""
        assert self.out is not None
        columns = self.out.read_metrics(lambda part: _unit_of(part) == unit.name)
        # Parts are in order of segments, and each is written as [metrics, segments, runs].
        curves = {key: columns["value"][columns["metric"] == key] for key in np.unique(columns["metric"])}
        if any(values.size != segments * len(unit.runs) for values in curves.values()) or (segments and not curves):
            raise InputError(f"files of {self.out.path / 'metrics' / unit.name} are missing; the others are intact")
        return {key: values.reshape(segments, len(unit.runs)) for key, values in curves.items()}

    def _record_path(self, unit: Unit) -> Path:
        assert self.out is not None
        return self.out.unit_record(unit.name)

    def _policy_path(self, unit: Unit) -> Path:
        assert self.out is not None
        return self.out.path / "policies" / f"{unit.name}.npz"

    def _checkpoints(self, unit: Unit) -> Checkpoints:
        assert self.out is not None
        return Checkpoints(self.out.path / "checkpoints" / unit.name)


def write_curves(out: RunDirectory, name: str, runs: Sequence[Run], group: Group, done: int, curves: Curves) -> None:
    """Store the curves of some runs of a group since their last part, up to segment `done`; none are no part."""
    if not curves.segments:
        return
    out.write_part(
        f"{name}-s{done:06d}",
        run=np.asarray([run.index for run in runs]),
        seed=np.asarray([run.seed for run in runs]),
        env_steps=group.env_steps[done - len(curves.segments) : done, None],
        metric=np.asarray(curves.names, object)[:, None, None],
        value=np.stack(curves.segments, axis=1),
    )


def policy_shapes(group: Group, runs: int) -> Any:
    """Shapes of the final parameters of a unit with `runs` runs."""
    first = group.runs[0]
    one = params_shapes(first.env, first.algorithm)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((runs, *leaf.shape), leaf.dtype), one)


def without_filling(state: Any, runs: int) -> Any:
    """The state of the first `runs` runs: a checkpoint is then the same on any number of devices."""
    if all(leaf.shape[0] == runs for leaf in jax.tree.leaves(state)):
        return state
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:runs], state)


def filled_up(state: Any, like: Any) -> Any:
    """`state` with copies of its first run in the places that `like` has more, laid out over devices as `like`."""

    def fill(leaf: Any, wanted: Any) -> Any:
        missing = wanted.shape[0] - leaf.shape[0]
        if not missing:
            return leaf
        leaf = np.asarray(leaf)
        return jax.device_put(np.concatenate([leaf, np.repeat(leaf[:1], missing, axis=0)]), wanted.sharding)

    return jax.tree.map(fill, state, like)


def _unit_of(part: str) -> str:
    return part.rpartition("-s")[0]


def last_segment(part: str) -> int:
    """Segments that are done at the end of a part, by its name."""
    return int(part.rpartition("-s")[2])
