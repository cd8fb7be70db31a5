"""Executes a plan: compile a group once, drive its chunks segment by segment, and save at the boundaries."""

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxvf.results.arrays import per_run
from jaxvf.results.statistics import iqm
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import cache, chunk_size, compile, pilot
from jaxvf.sweeps.chunk_files import ChunkFiles, ChunkResult, History, Progressed, chunk_names
from jaxvf.sweeps.chunk_size import ChunkSize, Reason
from jaxvf.sweeps.compile import Executable
from jaxvf.sweeps.interrupt import Interrupted, StopRequest
from jaxvf.sweeps.measurements import Measurements
from jaxvf.sweeps.plan import Group, Plan, start_clock
from jaxvf.sweeps.progress import Progress
from jaxvf.sweeps.space import Run

CHECKPOINT_SECONDS = 120.0
# A save may take at most about this share of the time: big replays are saved less often.
CHECKPOINT_SHARE = 0.1


class _Recut(Exception):
    """The group is to be cut into other chunks."""


class Runner:
    """Runs a plan; with a directory it saves as it goes and can pick up where an earlier process stopped.

    Args:
        plan: what to run; `self.plan` is what was run in the end, as chunks may be cut again.
        progress: what the user sees.
        stop: says when to stop.
        out: where results go; None keeps them in memory.
        log: Weights & Biases.
        keep: whether to keep compiled programs and what is measured of them in the user's cache.
    """

    def __init__(
        self,
        plan: Plan,
        progress: Progress,
        stop: StopRequest,
        out: RunDirectory | None = None,
        log: Any = None,
        *,
        keep: bool = True,
    ):
        self.plan, self.progress, self.stop, self.out, self.log, self.keep = plan, progress, stop, out, log, keep
        self.files, self.measurements = ChunkFiles(out), Measurements(keep)
        self.timing: list[dict[str, Any]] = []

    def run(self) -> list[ChunkResult]:
        """All chunks of all groups, in order.

        Raises:
            InputError: if memory does not hold a chunk.
            Interrupted: if a stop was asked for; every segment done so far is saved when there is a directory.
        """
        self.progress.start(self.plan.steps)
        try:
            return [result for index in range(len(self.plan.groups)) for result in self._run_group(index)]
        finally:
            self.progress.stop()

    def _run_group(self, index: int) -> list[ChunkResult]:
        while True:
            group = self.plan.groups[index]
            try:
                return self._run_chunks(index)
            except _Recut:
                continue
            except jax.errors.JaxRuntimeError as error:
                exhausted = compile.out_of_memory(error, group)
                raise exhausted or error from error

    def _run_chunks(self, index: int) -> list[ChunkResult]:
        executable = None
        if not all(self.files.is_finished(name) for name in chunk_names(index, self.plan.groups[index])):
            executable = self._fit(index)
        group, results = self.plan.groups[index], []
        for name, chunk in zip(chunk_names(index, group), group.chunks, strict=True):
            if executable is None or self.files.is_finished(name):
                results.append(self.files.finished(name, group, chunk))
                self.progress.skip(len(chunk) * group.segments * group.program.segment_steps)
            else:
                results.append(self._run_chunk(index, name, chunk, executable))
        self._record_timing(index, executable, results)
        return results

    def _fit(self, index: int) -> Executable:
        """Compile a group; where memory does not hold its chunk, cut it and compile again."""
        while True:
            group = self.plan.groups[index]
            self.progress.phase(f"compiling group {index + 1}/{len(self.plan.groups)}")
            executable = self._compile(index, group)
            self.measurements.remember(group.key, bytes_per_run=executable.bytes_per_run)
            fitting = compile.fitting_chunk(executable, group.chunk)
            if fitting == group.chunk or self.files.begun(index):  # what has begun keeps its chunks: files bear them
                return executable
            self.progress.note(
                f"group {index}: a run takes {executable.bytes_per_run / 2**20:.1f} MiB, not the planned "
                f"{group.bytes_per_run / 2**20:.1f}; {fitting} runs at once instead of {group.chunk}"
            )
            self._cut(index, fitting, "cut to fit")

    def _compile(self, index: int, group: Group) -> Executable:
        with cache.compiled_programs(self.progress.note) if self.keep else contextlib.nullcontext():
            return compile.compile_group(group)

    def _run_chunk(self, index: int, name: str, chunk: tuple[Run, ...], executable: Executable) -> ChunkResult:
        group = self.plan.groups[index]
        algorithm, env_params, seeds = group.stack(chunk)
        start = executable.init(algorithm, env_params, seeds), start_clock(group)
        done, history, (state, clock) = self.files.resume(name, chunk, start)
        self.progress.skip(len(chunk) * done * group.program.segment_steps)
        self.progress.phase(f"running {name}")
        begun = saved = time.monotonic()
        unsaved_from, save_seconds = done, 0.0
        while done < group.segments:
            state, clock, metrics = executable.segment(state, algorithm, env_params, clock)
            history.append(per_run(metrics, len(chunk)))
            done += 1
            if done == 1:
                begun += self._consider_other_chunks(index, time.monotonic() - begun, executable)
            self._report(group, chunk, done, history[-1])
            now = time.monotonic()
            due = now - saved > max(CHECKPOINT_SECONDS, save_seconds / CHECKPOINT_SHARE)
            if self.stop.asked or (due and done < group.segments):
                self.files.save(name, group, chunk, Progressed(done, history[unsaved_from:], (state, clock)))
                saved, unsaved_from = time.monotonic(), done
                save_seconds = saved - now
            if self.stop.asked:
                raise Interrupted(self._how_to_continue())
        result = _collect(group, chunk, history, state, time.monotonic() - begun)
        self.files.finish(name, group, history[unsaved_from:], result)
        return result

    def _consider_other_chunks(self, index: int, seconds: float, executable: Executable) -> float:
        """Once a group's first segment took `seconds`: try other chunks where that can pay.

        Returns:
            The seconds that trying took.

        Raises:
            _Recut: if another chunk is faster; the segment is lost.
        """
        group, begun = self.plan.groups[index], time.monotonic()
        sizes = pilot.worth_trying(group, seconds, executable.seconds)
        if not sizes or self.stop.asked or self.files.begun(index):
            return 0.0
        self.progress.phase(f"trying {', '.join(map(str, sizes))} runs a core")
        with cache.compiled_programs(self.progress.note) if self.keep else contextlib.nullcontext():
            found = pilot.time_sizes(group, sizes, seconds, lambda: self.stop.asked)
        self.progress.phase(f"running group {index + 1}/{len(self.plan.groups)}")
        if self.stop.asked or len(found) < 2:
            return time.monotonic() - begun
        self.measurements.remember(group.key, seconds=found)
        best = min(found, key=lambda size: found[size])
        chunk = chunk_size.equal_share(len(group.runs), best * len(jax.devices()))
        tried = ", ".join(f"{size}: {found[sizes[0]] / value:.2f}" for size, value in found.items())
        self.progress.note(f"group {index}: chunks of {chunk}; speed by runs a core, of the default's: {tried}")
        self._cut(index, chunk if best != sizes[0] else group.chunk, "measured")
        if best != sizes[0]:
            raise _Recut
        return time.monotonic() - begun

    def _cut(self, index: int, chunk: int, reason: Reason) -> None:
        """Give a group another chunk, in the plan and in the directory's."""
        groups = list(self.plan.groups)
        groups[index] = dataclasses.replace(groups[index], size=ChunkSize(chunk, reason))
        self.plan = Plan(tuple(groups))
        if self.out is not None:
            self.out.update_json(plan=self.plan.to_json())

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

    def _how_to_continue(self) -> str:
        if self.out is None:
            return "Nothing is saved: the sweep had no output directory."
        return f"The segments done are saved; continue with `jaxvf resume {self.out.path}`."

    def _record_timing(self, index: int, executable: Executable | None, results: Sequence[ChunkResult]) -> None:
        group = self.plan.groups[index]
        seconds = sum(result.seconds for result in results)
        # Steps really taken: an episode that ends early uses fewer than it is allotted.
        steps = sum(float(np.nansum(result.metrics["steps_taken"][-1])) for result in results)
        entry = {
            "group": index,
            "compile_seconds": executable.seconds if executable else 0.0,
            "run_seconds": seconds,
            "env_steps_per_second": steps / max(seconds, 1e-9),
            "predicted_bytes_per_run": group.predict(),
        }
        if executable is not None:
            entry |= {"measured_bytes_per_run": executable.bytes_per_run, **executable.cost}
        self.timing.append(entry)


def _collect(group: Group, chunk: tuple[Run, ...], history: History, state: Any, seconds: float) -> ChunkResult:
    metrics = {key: np.stack([record[key] for record in history]) for key in history[0]}
    params = jax.tree.map(lambda leaf: np.asarray(leaf)[: len(chunk)], state.learner.params)
    diverged = np.asarray(state.diverged)[: len(chunk)]
    return ChunkResult(chunk, metrics, group.env_steps, params, diverged, seconds)
