"""Drives one unit through its compiled program, segment by segment, and saves at the boundaries."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxvf.results.statistics import iqm
from jaxvf.signals import Interrupted, StopRequest
from jaxvf.sweeps import processes
from jaxvf.sweeps.compile import Executable
from jaxvf.sweeps.plan import Group, start_clock
from jaxvf.sweeps.progress import Progress
from jaxvf.sweeps.unit_files import Curves, UnitFiles, UnitResult
from jaxvf.sweeps.units import Claim, Unit

CHECKPOINT_SECONDS = 120.0
# A save may take at most about this share of the time: big replays are saved less often.
CHECKPOINT_SHARE = 0.05
PART_SEGMENTS = 2_000  # curves of at most so many segments wait in memory for the next save


class LostClaim(Exception):
    """Another process took this one for dead, and the unit from it."""


class UnitRun:
    """One unit on its way.

    Args:
        unit: what to run.
        group: its group.
        executable: the compiled group.
        files: where it is saved.
        progress: what the user sees.
        stop: says when to stop.
        claim: the right to compute it.
        log: Weights & Biases.
        how_to_continue: what to say when it stops.
    """

    def __init__(
        self,
        unit: Unit,
        group: Group,
        executable: Executable,
        files: UnitFiles,
        progress: Progress,
        stop: StopRequest,
        claim: Claim,
        log: Any,
        how_to_continue: str,
    ):
        self.unit, self.group, self.executable, self.files = unit, group, executable, files
        self.progress, self.stop, self.claim, self.log = progress, stop, claim, log
        self.how_to_continue = how_to_continue
        self.algorithm, self.env_params, seeds = group.stack(unit.runs)
        start = executable.init(self.algorithm, self.env_params, seeds), start_clock(group)
        self.done, (self.state, self.clock) = files.resume(unit, start)
        self._curves = Curves(executable.metrics, [])  # of segments that no part holds
        self._saved, self._save_seconds = time.monotonic(), 0.0
        self._segment_seconds, self._segment_begun = 0.0, 0.0

    def run(self, after_first: Callable[[float], float]) -> UnitResult:
        """Train until the budget is spent.

        Args:
            after_first: told the seconds of the unit's first segment; returns seconds that do not count as running.

        Raises:
            Interrupted: if a stop was asked for; all that is done is saved.
            LostClaim: if the unit is not this process's any more.
        """
        steps_before = self._steps_taken()
        self.progress.skip(len(self.unit.runs) * self.done * self.group.program.segment_steps)
        self.progress.phase(f"running {self.unit.name}")
        self.stop.when = self._when
        begun = time.monotonic()
        while self.done < self.group.segments:
            first = self.done == 0
            self._segment()
            if first:
                begun += after_first(self._segment_seconds)
            self._save_if_due()
        seconds = time.monotonic() - begun
        return self._finish(seconds, self._steps_taken() - steps_before)

    def _segment(self) -> None:
        self._segment_begun = time.monotonic()
        self.state, self.clock, metrics = self.executable.segment(
            self.state, self.algorithm, self.env_params, self.clock
        )
        # A copy: NumPy's view of a buffer of JAX would keep it alive.
        row = np.array(np.asarray(processes.gathered(metrics))[: len(self.unit.runs)].T, order="C")
        self._curves.segments.append(row)
        self.done += 1
        self._segment_seconds = time.monotonic() - self._segment_begun
        self._report(dict(zip(self.executable.metrics, row, strict=True)))

    def _save_if_due(self) -> None:
        waited = time.monotonic() - self._saved
        due = waited > max(CHECKPOINT_SECONDS, self._save_seconds / CHECKPOINT_SHARE)
        full = len(self._curves.segments) >= PART_SEGMENTS
        stop, save = processes.any_says(self.stop.asked, due or full)
        if stop or (save and self.done < self.group.segments):
            self._check_claim()
            before = time.monotonic()
            state = processes.gathered((self.state, self.clock))
            self.files.save(self.unit, self.group, self.done, self._curves, state)
            self._saved = time.monotonic()
            self._save_seconds = self._saved - before
            if self.files.out is not None:
                self._curves = Curves(self._curves.names, [])
        if stop:
            raise Interrupted(self.how_to_continue)

    def _finish(self, seconds: float, steps: int) -> UnitResult:
        self._check_claim()
        count = len(self.unit.runs)
        params, diverged = processes.gathered((self.state.learner.params, self.state.diverged))
        params, diverged = jax.tree.map(lambda leaf: np.array(leaf[:count]), (params, diverged))
        record = {"seconds": seconds, "steps": steps, **self.executable.described()}
        result = UnitResult(params, diverged, record)
        self.files.finish(self.unit, self.group, self._curves, result)
        if self.files.out is None:
            result.metrics = self._curves.by_name()
        else:
            result.params = None  # a sweep of many units would hold them all
        return result

    def _check_claim(self) -> None:
        if not self.claim.held():
            raise LostClaim(self.unit.name)

    def _steps_taken(self) -> int:
        taken = np.asarray(processes.gathered(self.state.env_steps))
        return int(taken[: len(self.unit.runs)].astype(np.int64).sum())

    def _report(self, metrics: dict[str, np.ndarray]) -> None:
        returns, count = metrics["test_return"], len(self.unit.runs)
        lost = int(np.isnan(returns).sum())
        headline = f"test return {float(iqm(returns)):.2f} (IQM of {count})" + (f", {lost} diverged" if lost else "")
        self.progress.advance(count * self.group.program.segment_steps, headline)
        if self.log is not None:
            indices = np.asarray([run.index for run in self.unit.runs])
            self.log.log(int(self.group.env_steps[self.done - 1]), metrics, indices)

    def _when(self) -> str:
        left = self._segment_begun + self._segment_seconds - time.monotonic()
        known = f" (about {max(left, 0):.0f} s)" if self._segment_seconds else ""
        return f"after this segment{known}"
