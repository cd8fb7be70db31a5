"""Drives one unit through its compiled program, segment by segment, and saves at the boundaries."""

import contextlib
import time
from collections.abc import Callable, Iterator
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


class Rhythm:
    """How long segments and saves take, and so when the next save is due."""

    def __init__(self) -> None:
        self._saved, self._save_seconds = time.monotonic(), 0.0
        self._begun, self.segment_seconds = 0.0, 0.0

    @contextlib.contextmanager
    def segment(self) -> Iterator[None]:
        """Time a segment."""
        self._begun = time.monotonic()
        yield
        self.segment_seconds = time.monotonic() - self._begun

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Time a save."""
        before = time.monotonic()
        yield
        self._saved = time.monotonic()
        self._save_seconds = self._saved - before

    def save_due(self) -> bool:
        """Whether the last save is long enough ago."""
        waited = time.monotonic() - self._saved
        return waited > max(CHECKPOINT_SECONDS, self._save_seconds / CHECKPOINT_SHARE)

    def when(self) -> str:
        """When the present segment is over, for `StopRequest.when`."""
        left = self._begun + self.segment_seconds - time.monotonic()
        known = f" (about {max(left, 0):.0f} s)" if self.segment_seconds else ""
        return f"after this segment{known}"


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
        self.done, (self.state, self.clock) = files.resume(unit, start)
        self._curves = Curves(executable.metrics, [])  # of segments that no part holds
        self._rhythm = Rhythm()

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
        self.stop.when = self._rhythm.when
        begun = time.monotonic()
        while self.done < self.group.segments:
            first = self.done == 0
            self._segment()
            if first:
                begun += after_first(self._rhythm.segment_seconds)
            self._save_if_due()
        seconds = time.monotonic() - begun
        return self._finish(seconds, self._steps_taken() - steps_before)

    def _segment(self) -> None:
        with self._rhythm.segment():
            self.state, self.clock, metrics = self.executable.segment(
                self.state, self.algorithm, self.env_params, self.clock
            )
            row = copied(processes.gathered(metrics), len(self.unit.runs))
        self._curves.segments.append(row)
        self.done += 1
        self._report(dict(zip(self.executable.metrics, row, strict=True)))

    def _save_if_due(self) -> None:
        due = self._rhythm.save_due() or len(self._curves.segments) >= PART_SEGMENTS
        stop, save = processes.any_says(self.stop.asked, due)
        if stop or (save and self.done < self.group.segments):
            self._check_claim()
            with self._rhythm.saving():
                state = processes.gathered((self.state, self.clock))
                self.files.save(self.unit, self.group, self.done, self._curves, state)
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
        steps = len(self.unit.runs) * self.group.program.segment_steps
        self.progress.advance(steps, headline(metrics["test_return"]))
        if self.log is not None:
            indices = np.asarray([run.index for run in self.unit.runs])
            self.log.log(int(self.group.env_steps[self.done - 1]), metrics, indices)


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
