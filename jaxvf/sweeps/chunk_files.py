"""What a run directory holds of the chunks of a sweep: parts of their curves, checkpoints, results."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.arrays import load_tree, save_tree
from jaxvf.results.policy import params_shapes
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.plan import Group
from jaxvf.sweeps.space import Run

History = list[dict[str, np.ndarray]]  # a segment's metrics, each [runs]


@dataclasses.dataclass
class ChunkResult:
    """What a finished chunk leaves in memory: its runs, curves [segments, runs], parameters and fate."""

    runs: tuple[Run, ...]
    metrics: dict[str, np.ndarray]
    env_steps: np.ndarray
    params: Any
    diverged: np.ndarray
    seconds: float

    def status(self, place: int) -> str:
        """The fate of the run at `place` in the chunk."""
        return "diverged" if self.diverged[place] else "finished"


class Progressed(NamedTuple):
    """How far a chunk is: segments done, their metrics, and the state to go on from."""

    segments: int
    history: History
    state: Any


class ChunkFiles:
    """Saves and finds chunks; without a directory nothing is saved and nothing found."""

    def __init__(self, out: RunDirectory | None):
        self.out = out

    def is_finished(self, name: str) -> bool:
        """Whether an earlier process finished the chunk."""
        return self.out is not None and name in self.out.read_json().get("chunks", {})

    def begun(self, index: int) -> bool:
        """Whether anything of the group with this number is stored, so that its cut into chunks is settled."""
        if self.out is None:
            return False
        of_group = f"g{index:03d}-"
        stored = [*self.out.read_json().get("chunks", {}), *self.out.parts()]
        return any(name.startswith(of_group) for name in stored)

    def finished(self, name: str, group: Group, chunk: tuple[Run, ...]) -> ChunkResult:
        """The result of a chunk that `is_finished`, from its files."""
        assert self.out is not None
        entry = self.out.read_json()["chunks"][name]
        metrics = self._history(name, chunk, group.segments)
        params = load_tree(policy_path(self.out.path, name), policy_shapes(group, len(chunk)))
        return ChunkResult(chunk, metrics, group.env_steps, params, np.asarray(entry["diverged"]), entry["seconds"])

    def resume(self, name: str, chunk: tuple[Run, ...], start: Any) -> Progressed:
        """How far a chunk is: at its newest checkpoint, or at `start`, its runs and clock at the beginning."""
        if self.out is None:
            return Progressed(0, [], start)
        checkpoints = self._checkpoints(name)
        steps = checkpoints.steps()
        done = steps[-1] if steps else 0
        # A part written after the newest checkpoint will be computed again.
        self.out.remove_parts(lambda part: _chunk_of(part) == name and _last_segment(part) > done)
        if not steps:
            return Progressed(0, [], start)
        stored = self._history(name, chunk, done)
        history = [{key: values[segment] for key, values in stored.items()} for segment in range(done)]
        runs, clock = checkpoints.restore(done, (without_filling(start[0], len(chunk)), start[1]))
        return Progressed(done, history, (filled_up(runs, start[0]), clock))

    def save(self, name: str, group: Group, chunk: Sequence[Run], progressed: Progressed) -> None:
        """Store a chunk at the end of a segment; `progressed.history` is what no earlier part holds."""
        if self.out is None:
            return
        # The part first: should the process die in between, resuming drops it and computes it again.
        self._write_part(name, group, chunk, progressed.segments, progressed.history)
        runs, clock = progressed.state
        self._checkpoints(name).save(progressed.segments, (without_filling(runs, len(chunk)), clock))

    def finish(self, name: str, group: Group, history: History, result: ChunkResult) -> None:
        """Store the rest of a finished chunk's curves, its parameters and its fate."""
        if self.out is None:
            return
        if history:
            self._write_part(name, group, result.runs, group.segments, history)
        save_tree(policy_path(self.out.path, name), result.params)
        entry = {"seconds": result.seconds, "diverged": result.diverged.tolist()}
        self.out.update_json(chunks={**self.out.read_json().get("chunks", {}), name: entry})
        self._checkpoints(name).clear()

    def _write_part(self, name: str, group: Group, chunk: Sequence[Run], done: int, history: History) -> None:
        assert self.out is not None
        metrics = sorted(history[0])
        self.out.write_part(
            f"{name}-s{done:06d}",
            run=np.asarray([run.index for run in chunk]),
            seed=np.asarray([run.seed for run in chunk]),
            env_steps=group.env_steps[done - len(history) : done, None],
            metric=np.asarray(metrics, object)[:, None, None],
            value=np.stack([[record[key] for record in history] for key in metrics]),
        )

    def _history(self, name: str, chunk: Sequence[Run], segments: int) -> dict[str, np.ndarray]:
        """Curves [segments, runs] of a chunk from its parts."""
        assert self.out is not None
        columns = self.out.read_metrics(lambda part: _chunk_of(part) == name)
        # Parts are in order of segments, and each is written as [metrics, segments, runs].
        curves = {key: columns["value"][columns["metric"] == key] for key in np.unique(columns["metric"])}
        if any(values.size != segments * len(chunk) for values in curves.values()) or (segments and not curves):
            raise InputError(f"files of {self.out.path / 'metrics' / name} are missing; the others are intact")
        return {key: values.reshape(segments, len(chunk)) for key, values in curves.items()}

    def _checkpoints(self, name: str) -> Checkpoints:
        assert self.out is not None
        return Checkpoints(self.out.path / "checkpoints" / name)


def chunk_names(index: int, group: Group) -> list[str]:
    """Names of a group's chunks, which name their files."""
    return [f"g{index:03d}-c{number:03d}" for number in range(len(group.chunks))]


def policy_path(out: Path, name: str) -> Path:
    """Where the final parameters of a chunk are."""
    return out / "policies" / f"{name}.npz"


def policy_shapes(group: Group, runs: int) -> Any:
    """Shapes of the final parameters of a chunk with `runs` runs."""
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


def _chunk_of(part: str) -> str:
    return part.rpartition("-s")[0]


def _last_segment(part: str) -> int:
    return int(part.rpartition("-s")[2])
