"""Drives one unit through its compiled programs, a piece of a segment at a time, and saves between two pieces."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxvf.results.statistics import iqm
from jaxvf.signals import Interrupted, StopRequest
from jaxvf.sweeps import processes
from jaxvf.sweeps.compile import Executable
from jaxvf.sweeps.pieces import Pieces
from jaxvf.sweeps.plan import Group, start_clock
from jaxvf.sweeps.progress import Progress
from jaxvf.sweeps.rhythm import Rhythm
from jaxvf.sweeps.unit_files import Curves, UnitFiles, UnitResult
from jaxvf.sweeps.units import Claim, Unit

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
        log: where to report too.
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
        self._check_claim()  # compiling may have taken minutes, and going on removes what is not needed any more
        iteration, (self.state, self.clock) = files.resume(unit, group, start)
        self._curves = Curves(executable.metrics, [])  # of segments that no part holds
        self._headline = ""
        self._rhythm = Rhythm()
        self.pieces = Pieces(group, iteration, self._rhythm, whole=processes.several())

    def run(self, after_first: Callable[[float], float]) -> UnitResult:
        """Train until the budget is spent.

        Args:
            after_first: told the seconds of the unit's first segment; returns seconds that do not count as running.

        Raises:
            Interrupted: if a stop was asked for; all that is done is saved.
            LostClaim: if the unit is not this process's any more.
        """
        steps_before = self._steps_taken()
        done = self.pieces.done * self.group.program.segment_steps + self.pieces.steps_done
        self.progress.skip(len(self.unit.runs) * done)
        self.progress.phase(f"running {self.unit.name}")
        self.stop.when = self._rhythm.when
        begun = time.monotonic()
        while self.pieces.done < self.group.segments:
            before = self.pieces.done
            self._piece()
            if before == 0 and self.pieces.done == 1:
                begun += after_first(self._rhythm.segment_seconds)
            self._save_if_due()
        seconds = time.monotonic() - begun
        return self._finish(seconds, self._steps_taken() - steps_before)

    def _piece(self) -> None:
        before, inputs = self.pieces.steps_done, (self.algorithm, self.env_params)
        self.state, self.clock, metrics = self.pieces.go_on(self.executable, self.state, inputs, self.clock)
        if metrics is None:
            self.progress.advance(len(self.unit.runs) * (self.pieces.steps_done - before), self._headline)
            return
        row = copied(processes.gathered(metrics), len(self.unit.runs))
        self._curves.segments.append(row)
        self._report(dict(zip(self.executable.metrics, row, strict=True)), before)

    def _save_if_due(self) -> None:
        due = self._rhythm.save_due() or len(self._curves.segments) >= PART_SEGMENTS
        stop, save = processes.any_says(self.stop.asked, due)
        if stop or (save and self.pieces.done < self.group.segments):
            self._check_claim()
            with self._rhythm.saving():
                state = processes.gathered((self.state, self.clock))
                self.files.save(self.unit, self.group, self.pieces.done, self._curves, state)
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

    def _report(self, metrics: dict[str, np.ndarray], steps_before: int) -> None:
        """Tell of a segment that is over, of which `steps_before` steps have been told before."""
        self._headline = headline(metrics["test_return"])
        steps = self.group.program.segment_steps - steps_before
        self.progress.advance(len(self.unit.runs) * steps, self._headline)
        if self.log is not None:
            indices = np.asarray([run.index for run in self.unit.runs])
            self.log.log(int(self.group.env_steps[self.pieces.done - 1]), metrics, indices)


def copied(metrics: Any, runs: int) -> np.ndarray:
    """A program's metrics [runs, metric] of its first `runs` runs as [metric, runs].

    A copy: NumPy's view of a buffer of JAX would keep it alive.
    """
    return np.array(np.asarray(metrics)[:runs].T, order="C")


def headline(returns: np.ndarray) -> str:
    """The test returns of all runs in a few words."""
    lost = int(np.isnan(returns).sum())
    diverged = f", {lost} diverged" if lost else ""
    return f"test return {float(iqm(returns)):.2f} (IQM of {len(returns)}){diverged}"
