"""Executes a plan: compile a group once, drive its chunks segment by segment, and save at the boundaries."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.arrays import load_tree, per_run, save_tree
from jaxvf.results.policy import params_shapes
from jaxvf.results.statistics import iqm
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import devices
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.interrupt import Interrupted, StopRequest
from jaxvf.sweeps.plan import Group, Plan, start_clock
from jaxvf.sweeps.progress import Progress
from jaxvf.sweeps.space import Run

CHECKPOINT_SECONDS = 120.0
# A save may take at most about this share of the time: big replays are saved less often.
CHECKPOINT_SHARE = 0.1


@dataclasses.dataclass
class Executable:
    """The compiled programs of a group and what compiling took."""

    init: Any
    segment: Any
    seconds: float
    cost: dict[str, float]


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
        if self.params is None:
            return "unfinished"
        return "diverged" if self.diverged[place] else "finished"


class Runner:
    """Runs a plan; with a directory it saves as it goes and can pick up where an earlier process stopped."""

    def __init__(
        self, plan: Plan, progress: Progress, stop: StopRequest, out: RunDirectory | None = None, log: Any = None
    ):
        self.plan, self.progress, self.stop, self.out, self.log = plan, progress, stop, out, log
        self.timing: list[dict[str, Any]] = []

    def run(self) -> list[ChunkResult]:
        """All chunks of all groups, in order.

        Raises:
            Interrupted: if a stop was asked for; every segment done so far is saved when there is a directory.
        """
        self.progress.start(self.plan.steps)
        try:
            return [result for index, group in enumerate(self.plan.groups) for result in self._run_group(index, group)]
        finally:
            self.progress.stop()

    def stored(self) -> list[ChunkResult]:
        """Whatever the directory holds of every chunk, finished or not; nothing runs."""
        return [
            self._finished(name, group, chunk) or self._partial(name, group, chunk)
            for index, group in enumerate(self.plan.groups)
            for name, chunk in zip(_names(index, group), group.chunks, strict=True)
        ]

    def _run_group(self, index: int, group: Group) -> list[ChunkResult]:
        executable: Executable | None = None
        results = []
        for name, chunk in zip(_names(index, group), group.chunks, strict=True):
            done = self._finished(name, group, chunk)
            if done is None:
                executable = executable or self._compile(index, group, chunk)
                done = self._run_chunk(name, group, chunk, executable)
            results.append(done)
        self._record_timing(index, group, executable, results)
        return results

    def _compile(self, index: int, group: Group, chunk: Sequence[Run]) -> Executable:
        self.progress.phase(f"compiling group {index + 1}/{len(self.plan.groups)}")
        begun = time.monotonic()
        algorithm, env_params, seeds = group.stack(chunk)
        runs, shared = devices.placement(group.chunk)
        init = jax.jit(group.program.init, out_shardings=runs).lower(algorithm, env_params, seeds).compile()
        state = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=runs),
            jax.eval_shape(group.program.init, algorithm, env_params, seeds),
        )
        # Donated: the runs' state is updated in place, never held twice.
        segment = jax.jit(group.program.segment, donate_argnums=0, out_shardings=(runs, shared, runs))
        compiled = segment.lower(state, algorithm, env_params, start_clock(group)).compile()
        return Executable(init, compiled, time.monotonic() - begun, _cost(compiled, group))

    def _run_chunk(self, name: str, group: Group, chunk: tuple[Run, ...], executable: Executable) -> ChunkResult:
        algorithm, env_params, seeds = group.stack(chunk)
        state, clock = executable.init(algorithm, env_params, seeds), start_clock(group)
        done, history, (state, clock) = self._resume(name, group, (state, clock))
        self.progress.phase(f"running {name}")
        begun = saved = time.monotonic()
        unsaved_from, save_seconds = done, 0.0
        while done < group.segments:
            state, clock, metrics = executable.segment(state, algorithm, env_params, clock)
            history.append(per_run(metrics, len(chunk)))
            done += 1
            self._report(group, chunk, done, history[-1])
            now = time.monotonic()
            due = now - saved > max(CHECKPOINT_SECONDS, save_seconds / CHECKPOINT_SHARE)
            if self.stop.asked or (due and done < group.segments):
                self._save(name, group, chunk, done, history[unsaved_from:], (state, clock))
                saved, unsaved_from = time.monotonic(), done
                save_seconds = saved - now
            if self.stop.asked:
                raise Interrupted(self._how_to_continue())
        result = _collect(group, chunk, history, state, time.monotonic() - begun)
        self._finish(name, group, done, history[unsaved_from:], result)
        return result

    def _report(self, group: Group, chunk: Sequence[Run], done: int, metrics: dict[str, np.ndarray]) -> None:
        steps = len(chunk) * group.program.segment_steps
        returns = metrics["test_return"]
        lost = int(np.isnan(returns).sum())
        headline = f"test return {float(iqm(returns)):.2f} (IQM of {len(chunk)})" + (
            f", {lost} diverged" if lost else ""
        )
        self.progress.advance(steps, headline)
        if self.log is not None:
            self.log.log(int(group.env_steps[done - 1]), metrics, np.asarray([run.index for run in chunk]))

    # --- saving and resuming -------------------------------------------------------------------------------

    def _finished(self, name: str, group: Group, chunk: tuple[Run, ...]) -> ChunkResult | None:
        """The result of a chunk that an earlier process finished, from its files."""
        if self.out is None or name not in self.out.read_json().get("chunks", {}):
            return None
        entry = self.out.read_json()["chunks"][name]
        metrics = _history_from(self.out, name, chunk, group.segments)
        params = load_tree(policy_path(self.out.path, name), policy_shapes(group, len(chunk)))
        self.progress.skip(len(chunk) * group.segments * group.program.segment_steps)
        return ChunkResult(chunk, metrics, group.env_steps, params, np.asarray(entry["diverged"]), entry["seconds"])

    def _partial(self, name: str, group: Group, chunk: tuple[Run, ...]) -> ChunkResult:
        """What is stored of a chunk that did not finish: its first segments, no parameters."""
        assert self.out is not None
        done = max([_last_segment(part) for part in self.out.parts() if _chunk_of(part) == name], default=0)
        metrics = _history_from(self.out, name, chunk, done)
        return ChunkResult(chunk, metrics, group.env_steps, None, np.zeros(len(chunk), bool), 0.0)

    def _resume(self, name: str, group: Group, like: Any) -> tuple[int, list[dict[str, np.ndarray]], Any]:
        """Segments done, their metrics and the state to go on from: the newest checkpoint, or the beginning."""
        if self.out is None:
            return 0, [], like
        checkpoints = self._checkpoints(name)
        steps = checkpoints.steps()
        done = steps[-1] if steps else 0
        # A part written after the newest checkpoint will be computed again.
        self.out.remove_parts(lambda part: _chunk_of(part) == name and _last_segment(part) > done)
        if not steps:
            return 0, [], like
        chunk = group.chunks[int(name.rpartition("c")[2])]
        stored = _history_from(self.out, name, chunk, done)
        history = [{key: values[segment] for key, values in stored.items()} for segment in range(done)]
        self.progress.skip(len(chunk) * done * group.program.segment_steps)
        return done, history, checkpoints.restore(done, like)

    def _save(
        self, name: str, group: Group, chunk: Sequence[Run], done: int, history: list[dict[str, np.ndarray]], state: Any
    ) -> None:
        if self.out is None:
            return
        # The part first: should the process die in between, resuming drops it and computes it again.
        self._write_part(name, group, chunk, done, history)
        self._checkpoints(name).save(done, state)

    def _finish(
        self, name: str, group: Group, done: int, history: list[dict[str, np.ndarray]], result: ChunkResult
    ) -> None:
        if self.out is None:
            return
        if history:
            self._write_part(name, group, result.runs, done, history)
        save_tree(policy_path(self.out.path, name), result.params)
        entry = {"seconds": result.seconds, "diverged": result.diverged.tolist()}
        self.out.update_json(chunks={**self.out.read_json().get("chunks", {}), name: entry})
        self._checkpoints(name).clear()

    def _write_part(
        self, name: str, group: Group, chunk: Sequence[Run], done: int, history: list[dict[str, np.ndarray]]
    ) -> None:
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

    def _how_to_continue(self) -> str:
        if self.out is None:
            return "Nothing is saved: the sweep had no output directory."
        return f"The segments done are saved; continue with `jaxvf resume {self.out.path}`."

    def _checkpoints(self, name: str) -> Checkpoints:
        assert self.out is not None
        return Checkpoints(self.out.path / "checkpoints" / name)

    def _record_timing(
        self, index: int, group: Group, executable: Executable | None, results: Sequence[ChunkResult]
    ) -> None:
        seconds = sum(result.seconds for result in results)
        # Steps really taken: an episode that ends early uses fewer than it is allotted.
        steps = sum(float(np.nansum(result.metrics["steps_taken"][-1])) for result in results)
        self.timing.append(
            {
                "group": index,
                "compile_seconds": executable.seconds if executable else 0.0,
                "run_seconds": seconds,
                "env_steps_per_second": steps / max(seconds, 1e-9),
                **(executable.cost if executable else {}),
            }
        )


def _names(index: int, group: Group) -> list[str]:
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


def _collect(
    group: Group, chunk: tuple[Run, ...], history: list[dict[str, np.ndarray]], state: Any, seconds: float
) -> ChunkResult:
    metrics = {key: np.stack([record[key] for record in history]) for key in history[0]}
    params = jax.tree.map(lambda leaf: np.asarray(leaf)[: len(chunk)], state.learner.params)
    diverged = np.asarray(state.diverged)[: len(chunk)]
    return ChunkResult(chunk, metrics, group.env_steps, params, diverged, seconds)


def _history_from(out: RunDirectory, name: str, chunk: Sequence[Run], segments: int) -> dict[str, np.ndarray]:
    """Curves [segments, runs] of a chunk from its parts."""
    columns = out.read_metrics(lambda part: _chunk_of(part) == name)
    # Parts are in order of segments, and each is written as [metrics, segments, runs].
    curves = {key: columns["value"][columns["metric"] == key] for key in np.unique(columns["metric"])}
    if any(values.size != segments * len(chunk) for values in curves.values()) or (segments and not curves):
        raise InputError(f"files of {out.path / 'metrics' / name} are missing; the others are intact")
    return {key: values.reshape(segments, len(chunk)) for key, values in curves.items()}


def _chunk_of(part: str) -> str:
    return part.rpartition("-s")[0]


def _last_segment(part: str) -> int:
    return int(part.rpartition("-s")[2])


def _cost(compiled: Any, group: Group) -> dict[str, float]:
    """FLOPs and bytes of a segment per run, as XLA counts them (loop bodies once), and the program's memory."""
    analysis, memory = compiled.cost_analysis() or {}, compiled.memory_analysis()
    cost = {
        "flops_counted_per_run": float(analysis.get("flops", float("nan"))) / group.chunk,
        "bytes_counted_per_run": float(analysis.get("bytes accessed", float("nan"))) / group.chunk,
    }
    if memory is not None:
        cost["state_bytes_per_run"] = memory.argument_size_in_bytes / group.chunk
        cost["temporary_bytes_per_run"] = memory.temp_size_in_bytes / group.chunk
    return cost
